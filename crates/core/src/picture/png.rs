use super::{Flaw, Frame};

const SIGNATURE: usize = 8;
/// Length, name and checksum around a chunk's data.
const AROUND: usize = 12;

/// The size of the picture, once its first data is in sight; none where that lies beyond these bytes.
/// What comes before the data says whether the picture is animated.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<Frame>, Flaw> {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    let mut frame = None;
    loop {
        let Some(&[l3, l2, l1, l0, ref name @ ..]) = rest.first_chunk::<8>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([l3, l2, l1, l0]);
        if length > i32::MAX.unsigned_abs() || !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(Flaw::Broken);
        }
        match (name, frame) {
            (b"IHDR", None) if length == 13 => {
                let Some(header) = rest.get(8..).and_then(<[u8]>::first_chunk) else {
                    return Ok(None);
                };
                frame = Some(header_frame(*header)?);
            }
            (b"IHDR" | b"IEND", _) | (_, None) => return Err(Flaw::Broken),
            (b"acTL", _) => return Err(Flaw::Animated),
            (b"IDAT", frame) => return Ok(frame),
            _ => {}
        }
        let next = usize::try_from(length).ok().and_then(|length| rest.get(AROUND + length..));
        let Some(next) = next else { return Ok(None) };
        rest = next;
    }
}

fn header_frame(header: [u8; 13]) -> Result<Frame, Flaw> {
    let [w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, compression, filter, interlace] = header;
    let known = match colour {
        0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
        3 => matches!(depth, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(depth, 8 | 16),
        _ => false,
    };
    if !known || (compression, filter) != (0, 0) || interlace > 1 {
        return Err(Flaw::Broken);
    }
    let width = u32::from_be_bytes([w3, w2, w1, w0]);
    let height = u32::from_be_bytes([h3, h2, h1, h0]);
    Ok(Frame { width, height })
}
