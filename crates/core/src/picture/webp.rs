use super::{Flaw, Frame};

/// The RIFF header, and the header of each chunk.
const RIFF: usize = 12;
const CHUNK: usize = 8;
const ANIMATED: u8 = 0x02;

/// The size of the picture; none where its frame lies beyond these bytes, of `whole` in all.
pub(super) fn frame(bytes: &[u8], whole: u64) -> Result<Option<Frame>, Flaw> {
    let Some(&[_, _, _, _, s0, s1, s2, s3]) = bytes.first_chunk() else { return Ok(None) };
    // The file breaks off; some writers forget the last padding byte.
    if u64::from(u32::from_le_bytes([s0, s1, s2, s3])) + 8 > whole + 1 {
        return Err(Flaw::Broken);
    }
    let mut rest = bytes.get(RIFF..).unwrap_or_default();
    let mut canvas = None;
    loop {
        let Some((&[n0, n1, n2, n3, l0, l1, l2, l3], data)) = rest.split_first_chunk::<CHUNK>()
        else {
            return Ok(None);
        };
        let frame = match (&[n0, n1, n2, n3], canvas) {
            (b"VP8 ", _) => Some(lossy(data)),
            (b"VP8L", _) => Some(lossless(data)),
            (b"VP8X", None) => {
                let Some(extended) = data.first_chunk() else { return Ok(None) };
                canvas = Some(extended_canvas(*extended)?);
                None
            }
            (b"ANIM" | b"ANMF", Some(_)) => return Err(Flaw::Animated),
            (_, Some(_)) => None,
            (_, None) => return Err(Flaw::Broken),
        };
        if let Some(frame) = frame {
            let frame = frame?;
            let agrees = canvas.is_none() || frame.is_none() || canvas == frame;
            return if agrees { Ok(frame) } else { Err(Flaw::TwoSizes) };
        }
        // Chunks are padded to an even length.
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3])).next_multiple_of(2);
        let Some(next) = usize::try_from(length).ok().and_then(|length| data.get(length..)) else {
            return Ok(None);
        };
        rest = next;
    }
}

fn extended_canvas(data: [u8; 10]) -> Result<Frame, Flaw> {
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = data;
    if flags & ANIMATED != 0 {
        return Err(Flaw::Animated);
    }
    let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
    Ok(Frame { width: side(w0, w1, w2), height: side(h0, h1, h2) })
}

fn lossy(data: &[u8]) -> Result<Option<Frame>, Flaw> {
    let Some(&[tag, _, _, c0, c1, c2, w0, w1, h0, h1]) = data.first_chunk() else {
        return Ok(None);
    };
    let is_key_frame = tag & 1 == 0;
    if !is_key_frame || [c0, c1, c2] != [0x9d, 0x01, 0x2a] {
        return Err(Flaw::Broken);
    }
    // The two bits above are a wish for scaling.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Ok(Some(Frame { width: side(w0, w1), height: side(h0, h1) }))
}

fn lossless(data: &[u8]) -> Result<Option<Frame>, Flaw> {
    let Some(&[signature, b0, b1, b2, b3]) = data.first_chunk() else { return Ok(None) };
    let bits = u32::from_le_bytes([b0, b1, b2, b3]);
    let version = bits >> 29;
    if signature != 0x2f || version != 0 {
        return Err(Flaw::Broken);
    }
    Ok(Some(Frame { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 }))
}
