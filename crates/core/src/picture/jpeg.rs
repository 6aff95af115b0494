use super::{Flaw, Frame};

/// The size in the first frame header; none where that lies beyond these bytes.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<Frame>, Flaw> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        match rest {
            [0xff, after @ ..] => rest = after,
            [] => return Ok(None),
            _ => return Err(Flaw::Broken),
        }
        // Any number of fill bytes may stand before a marker.
        while let [0xff, after @ ..] = rest {
            rest = after;
        }
        let [marker, segment @ ..] = rest else { return Ok(None) };
        match marker {
            // Baseline, extended and progressive: what everyone can read.
            0xc0..=0xc2 => return frame_header(segment),
            // Tables, restart interval, application data, comment.
            0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe => {}
            // Other processes, or picture data before any frame.
            _ => return Err(Flaw::Broken),
        }
        let [high, low, ..] = segment else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 2 {
            return Err(Flaw::Broken);
        }
        let Some(next) = segment.get(length..) else { return Ok(None) };
        rest = next;
    }
}

fn frame_header(segment: &[u8]) -> Result<Option<Frame>, Flaw> {
    let Some(&[l1, l0, precision, h1, h0, w1, w0, components]) = segment.first_chunk() else {
        return Ok(None);
    };
    let whole = usize::from(u16::from_be_bytes([l1, l0])) == 8 + 3 * usize::from(components);
    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
    let frame = Frame { width: side(w1, w0), height: side(h1, h0) };
    // A height of 0 is told after the picture data: nobody can say how much memory it will take.
    if !whole || precision != 8 || !matches!(components, 1 | 3 | 4) || frame.height == 0 {
        return Err(Flaw::Broken);
    }
    Ok(Some(frame))
}
