//! What a run did, as tables. Every number is counted from its rows, ledger and calls.

mod budget;
mod fact;
mod latency;
mod tables;

pub use self::{
    fact::{AccountFact, BatchFact, Facts, RenderFact},
    latency::human,
};

use std::io::{self, Write};

/// Writes all tables.
pub fn write(facts: &Facts, out: &mut impl Write) -> io::Result<()> {
    write_summary(facts, out)?;
    section(out, "Batches", &tables::batches(facts))?;
    section(out, "What went wrong on purpose", &tables::mishaps(facts))
}

/// The tables whose length does not grow with the run.
pub fn write_summary(facts: &Facts, out: &mut impl Write) -> io::Result<()> {
    section(out, "Renders", &tables::renders(facts))?;
    section(out, "Pictures, by the step that made them", &tables::steps(facts))?;
    section(out, "Cost per image, the routes side by side", &tables::costs(facts))?;
    section(out, "Budget", &budget::budget(facts))?;
    section(out, "Latency, from acceptance to picture", &latency::percentiles(facts))?;
    latency::verdict(facts, out)
}

fn section(out: &mut impl Write, title: &str, table: &comfy_table::Table) -> io::Result<()> {
    writeln!(out, "\n{title}\n{table}")
}

/// A table without lines between its rows, numbers to the right.
pub(crate) fn table(header: &[&str], text_columns: usize) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY).set_header(header.iter().copied());
    for column in table.column_iter_mut().skip(text_columns) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table
}
