//! What a page's header says before anything of the page is read.

use parquet::errors::{ParquetError, Result};

use super::ranges::{MOST_UNPACKED, too_large};

/// What a page's header says of it, on which memory is reserved.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Announced {
    unpacked: u64,
    /// Of a dictionary.
    values: u64,
}

impl Announced {
    /// Of a header: numbered fields, of which the first ones are whole numbers, and then the structure of one kind of
    /// page (`PageHeader` in <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>, in
    /// Thrift's compact protocol).
    pub(super) fn by(mut header: &[u8]) -> Option<Self> {
        const UNPACKED: u8 = 2;
        const DICTIONARY: u8 = 7;
        const WHOLE_NUMBER: u8 = 5;
        const STRUCTURE: u8 = 12;
        let (mut page, mut field) = (Self::default(), 0_u8);
        loop {
            let (&head, rest) = header.split_first()?;
            header = rest;
            field = field.checked_add(head >> 4).filter(|_| head >> 4 > 0)?;
            match head & 15 {
                WHOLE_NUMBER => {
                    let number = whole_number(&mut header)?;
                    if field == UNPACKED {
                        page.unpacked = number;
                    }
                }
                STRUCTURE if field == DICTIONARY => {
                    header = header.strip_prefix(&[1 << 4 | WHOLE_NUMBER])?;
                    return Some(Self { values: whole_number(&mut header)?, ..page });
                }
                STRUCTURE => return Some(page),
                _ => return None,
            }
        }
    }

    /// # Errors
    /// Where it is more than pages are.
    pub(super) fn check(&self) -> Result<()> {
        if self.unpacked > MOST_UNPACKED {
            return Err(too_large(self.unpacked));
        }
        // Each value takes four bytes at least: those of a number, or of a length.
        match self.values > self.unpacked / 4 {
            true => Err(ParquetError::General("a dictionary of more values than it has room for".to_owned())),
            false => Ok(()),
        }
    }
}

/// A number of seven bits a byte, which ends in its sign; a negative one is as large as can be.
fn whole_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(if number & 1 == 0 { number >> 1 } else { u64::MAX });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_memory_its_page_takes() {
        // 1: page of data, 2: 300 bytes, 3: 7 bytes, 5: the structure.
        let data = [0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x0e, 0x2c, 0x15, 0x02];
        assert_eq!(Announced::by(&data), Some(Announced { unpacked: 300, values: 0 }));
        // With a checksum, which is negative here, and a dictionary of 100 values.
        let dictionary = [0x15, 0x04, 0x15, 0xd8, 0x04, 0x15, 0x0e, 0x15, 0x09, 0x3c, 0x15, 0xc8, 0x01];
        let page = Announced::by(&dictionary).unwrap();
        assert_eq!(page, Announced { unpacked: 300, values: 100 });
        assert!(page.check().unwrap_err().to_string().contains("room"));
        assert!(Announced { unpacked: 600 << 20, values: 0 }.check().is_err());
        assert!(Announced { unpacked: 400, values: 100 }.check().is_ok());
        for odd in [&b""[..], &[0x15], &[0x15, 0x80], &[0x05, 0x00], &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert_eq!(Announced::by(odd), None, "{odd:?}");
        }
    }
}
