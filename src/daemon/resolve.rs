//! Which folder: the id that was stored when the folder was linked wins as long as it resolves, and another folder at the
//! configured path is not published then. Only when the id resolves no more is the path looked up again.

use super::context::Context;
use crate::dropbox::{Client, Entry, Error, Folder, Kind, PathRoot};
use crate::observe::Code;
use crate::store::Watch;

/// Where a linked folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    /// `None` for the root.
    pub folder_id: Option<String>,
    /// `""` for the root.
    pub path_lower: String,
    /// Under which path root.
    pub root: PathRoot,
}

/// How a path root is stored: by the namespace that it means, however it is asked for.
pub(super) fn root_text(root: &PathRoot) -> String {
    match root {
        PathRoot::Default => "default".into(),
        PathRoot::Home => "home".into(),
        PathRoot::Root(id) | PathRoot::Namespace(id) => format!("namespace:{id}"),
    }
}

/// A stored root. A namespace that is the account's root no more can still be asked for by its id.
fn parse_root(text: &str) -> PathRoot {
    match text.split_once(':') {
        Some((_, id)) => PathRoot::Namespace(id.into()),
        None if text == "home" => PathRoot::Home,
        None => PathRoot::Default,
    }
}

/// The root that the folder was resolved under before, where the session would now take another one.
fn former_root(watch: &Watch, root: &PathRoot) -> Option<PathRoot> {
    watch.root.as_deref().filter(|stored| *stored != root_text(root)).map(parse_root)
}

/// Finds a linked folder; `None` where Dropbox does not have it. Conditions are set and ended here.
///
/// # Errors
/// When Dropbox did not answer the question.
pub(super) async fn resolve(
    context: &Context,
    client: &Client,
    root: &PathRoot,
    watch: &Watch,
) -> Result<Option<Resolved>, Error> {
    let folder = watch.folder.as_str();
    let former = former_root(watch, root);
    if let Some(former) = &former {
        let text = format!("{folder} would now be looked for under {}, not {}", root_text(root), root_text(former));
        context.conditions.begin(Code::RootChanged, folder, text).await;
    } else {
        context.conditions.end(Code::RootChanged, folder).await;
    }
    if folder == "/" {
        // It has no id that could decide: it stays what it was when it was linked.
        let root = former.unwrap_or_else(|| root.clone());
        return Ok(Some(Resolved { folder_id: None, path_lower: String::new(), root }));
    }
    let roots: Vec<PathRoot> = std::iter::once(root.clone()).chain(former).collect();
    if let Some(id) = &watch.folder_id {
        for root in &roots {
            if let Some(found) = look(client, root, id).await? {
                let path_lower = found.path_lower.unwrap_or_else(|| watch.path_lower.clone().unwrap_or_default());
                note_rename(context, client, root, watch, id, &path_lower).await?;
                context.conditions.end(Code::FolderMissing, folder).await;
                return Ok(Some(Resolved { folder_id: Some(id.clone()), path_lower, root: root.clone() }));
            }
        }
    }
    if let Some(found) = look(client, root, folder).await? {
        context.conditions.end_all(&[Code::FolderMissing, Code::FolderRenamed], folder).await;
        let path_lower = found.path_lower.unwrap_or_else(|| folder.to_lowercase());
        return Ok(Some(Resolved { folder_id: Some(found.id), path_lower, root: root.clone() }));
    }
    let text = format!("Dropbox has no folder {folder}; nothing is removed, and it is looked for again");
    context.conditions.begin(Code::FolderMissing, folder, text).await;
    Ok(None)
}

/// The folder at a path or under an id; `None` where there is none or something else.
async fn look(client: &Client, root: &PathRoot, path: &str) -> Result<Option<Folder>, Error> {
    match client.get_metadata(root, path).await {
        Ok(Entry::Folder(folder)) => Ok(Some(folder)),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::WrongType | Kind::Unsupported) => Ok(None),
        // A former root that cannot be asked any more has nothing.
        Err(error) if error.kind == Kind::InvalidRoot && matches!(root, PathRoot::Namespace(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says so where the folder is not at the configured path any more. Asked only where the two may differ, because the
/// server's lower-casing is its own.
async fn note_rename(
    context: &Context,
    client: &Client,
    root: &PathRoot,
    watch: &Watch,
    id: &str,
    path_lower: &str,
) -> Result<(), Error> {
    let folder = watch.folder.as_str();
    let moved =
        path_lower != folder.to_lowercase() && look(client, root, folder).await?.is_none_or(|at_path| at_path.id != id);
    if moved {
        let text = format!("{folder} is now {path_lower}; it goes on being published from there");
        context.conditions.begin(Code::FolderRenamed, folder, text).await;
    } else {
        context.conditions.end(Code::FolderRenamed, folder).await;
    }
    Ok(())
}
