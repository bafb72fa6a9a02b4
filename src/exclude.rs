//! What a link leaves out: globs over a file's path below the linked folder. A leaf: touches nothing.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A link's compiled `exclude` list.
#[derive(Debug, Clone)]
pub struct Excludes(GlobSet);

impl Excludes {
    /// Compiles globs. They match case-insensitively; `*` does not cross `/`, `**` does.
    ///
    /// # Errors
    /// Names the first glob that is malformed.
    pub fn compile(globs: &[String]) -> Result<Excludes, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(GlobBuilder::new(glob).case_insensitive(true).literal_separator(true).build()?);
        }
        Ok(Excludes(set.build()?))
    }

    /// Whether a file is left out. `below` is its path below the linked folder, without a leading slash.
    pub fn matches(&self, below: &str) -> bool {
        self.0.is_match(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_one_component_and_case_does_not_matter() {
        let excludes = Excludes::compile(&["**/~$*".into(), "*.tmp".into(), "Private/**".into()]).expect("globs");
        assert!(excludes.matches("~$a.docx") && excludes.matches("deep/down/~$a.docx"));
        assert!(excludes.matches("A.TMP") && !excludes.matches("b/a.tmp"));
        assert!(excludes.matches("private/x/y") && !excludes.matches("public/x"));
        assert!(Excludes::compile(&["a[".into()]).is_err());
    }
}
