//! Which folder (DESIGN): the id that was stored when the folder was linked wins as long as it resolves; only then is the
//! path looked up again. Another folder at the configured path is never published.

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

/// How a path root is stored.
pub(super) fn root_text(root: &PathRoot) -> String {
    match root {
        PathRoot::Default => "default".into(),
        PathRoot::Home => "home".into(),
        PathRoot::Root(id) => format!("root:{id}"),
        PathRoot::Namespace(id) => format!("namespace:{id}"),
    }
}

fn parse_root(text: &str) -> PathRoot {
    match text.split_once(':') {
        Some(("root", id)) => PathRoot::Root(id.into()),
        Some(("namespace", id)) => PathRoot::Namespace(id.into()),
        _ if text == "home" => PathRoot::Home,
        _ => PathRoot::Default,
    }
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
    if folder == "/" {
        return Ok(Some(Resolved { folder_id: None, path_lower: String::new(), root: root.clone() }));
    }
    let mut roots = vec![root.clone()];
    if let Some(stored) = watch.root.as_deref().map(parse_root).filter(|stored| stored != root) {
        let text = format!("{} would now be looked for under {}", folder, root_text(root));
        context.conditions.begin(Code::RootChanged, folder, text).await;
        roots.push(stored);
    } else {
        context.conditions.end(Code::RootChanged, folder).await;
    }
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
