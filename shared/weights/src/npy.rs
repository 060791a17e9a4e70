//! The `.npy` files: version 1.0, little-endian float32, C order.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

const MAGIC_AND_VERSION: &[u8] = b"\x93NUMPY\x01\x00";

/// Bytes per float32.
pub(crate) const ELEMENT_BYTES: usize = 4;

/// The array's numbers as they are in the file (4 little-endian bytes each, C order), if the file is a float32 array
/// of exactly this shape; otherwise what is wrong with it.
pub(crate) fn float32_array<'a>(file: &'a [u8], shape: &[usize]) -> Result<&'a [u8], String> {
    let rest = file.strip_prefix(MAGIC_AND_VERSION).ok_or("not a .npy file of version 1.0")?;
    let (header_length, rest) = rest.split_first_chunk().ok_or("cut in its header")?;
    let header_length = usize::from(u16::from_le_bytes(*header_length));
    let (header, data) = rest.split_at_checked(header_length).ok_or("cut in its header")?;
    check_header(header, shape)?;

    let expected_bytes = shape.iter().product::<usize>() * ELEMENT_BYTES;
    if data.len() != expected_bytes {
        return Err(format!("has {} bytes of numbers, expected {expected_bytes}", data.len()));
    }
    Ok(data)
}

/// A file that holds the numbers, with a header as numpy writes it.
pub(crate) fn file_of(numbers: &[f32], shape: &[usize]) -> Vec<u8> {
    let dimensions: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", dimensions.trim_end());
    // The numbers begin at a multiple of 64 bytes, and a line feed stands before them. The header of a few dimensions
    // is far from the 65,535 bytes that its length can name.
    let before = MAGIC_AND_VERSION.len() + size_of::<u16>();
    let length = (before + dictionary.len() + 1).next_multiple_of(64) - before;
    let header = format!("{dictionary:<width$}\n", width = length - 1);
    let mut file = [MAGIC_AND_VERSION, &(length as u16).to_le_bytes(), header.as_bytes()].concat();
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    file
}

/// The header is a Python dictionary with three keys in any order; writers differ in spaces and trailing commas.
fn check_header(header: &[u8], shape: &[usize]) -> Result<(), String> {
    let header = String::from_utf8_lossy(header);
    let compact: String = header.split_whitespace().collect();
    let dimensions: Vec<String> = shape.iter().map(usize::to_string).collect();
    let dimensions = dimensions.join(",");

    let is_float32 = compact.contains("'descr':'<f4'");
    let is_c_order = compact.contains("'fortran_order':False");
    let has_shape =
        compact.contains(&format!("'shape':({dimensions})")) || compact.contains(&format!("'shape':({dimensions},)"));
    if is_float32 && is_c_order && has_shape {
        return Ok(());
    }
    Err(format!("its header is {}, expected <f4 in C order with shape ({dimensions})", header.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC_AND_VERSION, &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn a_written_file_is_aligned_and_read_back() {
        for (numbers, shape) in [(&[1.5_f32, -2.0][..], &[2][..]), (&[0.25; 6], &[1, 2, 3])] {
            let file = file_of(numbers, shape);
            assert_eq!((file.len() - numbers.len() * ELEMENT_BYTES) % 64, 0);
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            assert_eq!(float32_array(&file, shape), Ok(bytes.as_slice()));
        }
    }

    #[test]
    fn headers_of_numpy_and_of_other_writers_are_read() {
        for header in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2) }\n",
            "{'shape':(2,),'fortran_order':False,'descr':'<f4'}",
        ] {
            assert_eq!(float32_array(&npy(header, &[7; 8]), &[2]), Ok([7; 8].as_slice()), "{header}");
        }
    }

    #[test]
    fn arrays_of_another_type_order_or_shape_are_refused() {
        for header in [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (12,), }",
        ] {
            let problem = float32_array(&npy(header, &[7; 8]), &[2]).unwrap_err();
            assert!(problem.contains(header), "{problem}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_or_longer_than_its_shape_is_refused() {
        let whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &[7; 8]);
        for length in 0..whole.len() {
            assert!(float32_array(&whole[..length], &[2]).is_err(), "cut to {length} bytes");
        }
        let longer = [whole.as_slice(), &[0]].concat();
        assert_eq!(float32_array(&longer, &[2]), Err("has 9 bytes of numbers, expected 8".to_string()));
    }
}
