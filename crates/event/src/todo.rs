//! The to-do list of a session, whichever tool the agent keeps it with.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::Identity;

/// The most items a list keeps; further ones are not taken. Real lists have some tens.
const ITEMS_MAX: usize = 500;

/// One item, in the words of the Socket.IO guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todo {
    /// The task's id, or one of ours that follows from its words.
    pub id: String,
    /// What is to be done.
    pub content: String,
    /// Whether it is.
    pub status: Status,
    /// `high`, `medium` or `low`; `medium` where the agent gave none.
    pub priority: String,
    /// What it is called while it is being done.
    #[serde(rename = "activeForm", default, skip_serializing_if = "Option::is_none")]
    pub active_form: Option<String>,
    /// Whether id or priority are ours, because today's client sends none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun.
    Pending,
    /// Being done.
    InProgress,
    /// Done.
    Completed,
}

impl Status {
    fn parse(text: &str) -> Option<Status> {
        match text {
            "pending" => Some(Status::Pending),
            "in_progress" => Some(Status::InProgress),
            "completed" => Some(Status::Completed),
            _ => None,
        }
    }
}

/// The statistics of the Socket.IO guide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All items.
    pub total: usize,
    /// Those done.
    pub completed: usize,
    /// Those being done.
    pub in_progress: usize,
    /// Those not begun.
    pub pending: usize,
}

/// What one telling changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Ids of items that are new.
    pub added: Vec<String>,
    /// Ids of items that were not done before and are now.
    pub completed: Vec<String>,
    /// Whether anything else changed.
    pub other: bool,
}

impl Change {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.completed.is_empty() && !self.other
    }
}

/// A session's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todos {
    items: Vec<Todo>,
}

impl Todos {
    /// The items, in the agent's order.
    pub fn items(&self) -> &[Todo] {
        &self.items
    }

    /// How many there are of each status.
    pub fn stats(&self) -> Stats {
        let of = |status| self.items.iter().filter(|todo| todo.status == status).count();
        Stats {
            total: self.items.len(),
            completed: of(Status::Completed),
            in_progress: of(Status::InProgress),
            pending: of(Status::Pending),
        }
    }

    /// Takes the whole list that a TodoWrite call sets.
    pub fn replace(&mut self, todos: &[Value]) -> Change {
        let items = todos.iter().take(ITEMS_MAX).filter_map(from_todo_write).collect();
        let before = std::mem::replace(&mut self.items, items);
        let mut change = Change { other: before.len() > self.items.len(), ..Change::default() };
        for todo in &self.items {
            match before.iter().find(|old| old.id == todo.id) {
                None => change.added.push(todo.id.clone()),
                Some(old) if old.status != todo.status && todo.status == Status::Completed => {
                    change.completed.push(todo.id.clone());
                }
                Some(old) => change.other |= old != todo,
            }
        }
        change
    }

    /// Takes a task that TaskCreate made.
    pub fn add(&mut self, id: &str, subject: &str) -> Change {
        if self.items.len() >= ITEMS_MAX || self.items.iter().any(|todo| todo.id == id) {
            return Change::default();
        }
        self.items.push(Todo {
            id: id.to_owned(),
            content: subject.to_owned(),
            status: Status::Pending,
            priority: "medium".to_owned(),
            active_form: None,
            assumed: true,
        });
        Change { added: vec![id.to_owned()], ..Change::default() }
    }

    /// Takes what TaskUpdate, or a TaskCompleted hook, says of a task. `deleted` takes it off the list.
    pub fn update(&mut self, id: &str, status: Option<&str>, subject: Option<&str>) -> Change {
        let Some(at) = self.items.iter().position(|todo| todo.id == id) else { return Change::default() };
        if status == Some("deleted") {
            self.items.remove(at);
            return Change { other: true, ..Change::default() };
        }
        let todo = &mut self.items[at];
        let mut change = Change::default();
        if let Some(status) = status.and_then(Status::parse)
            && status != todo.status
        {
            todo.status = status;
            if status == Status::Completed {
                change.completed.push(id.to_owned());
            }
            change.other = true;
        }
        if let Some(subject) = subject
            && subject != todo.content
        {
            todo.content = subject.to_owned();
            change.other = true;
        }
        change
    }

    /// The payload of `/todo updated`, without its time.
    pub fn payload(&self, change: &Change) -> Value {
        json!({ "todos": self.items, "stats": self.stats(), "added": change.added, "completed": change.completed })
    }
}

fn from_todo_write(todo: &Value) -> Option<Todo> {
    let text = |key: &str| todo.get(key).and_then(Value::as_str);
    let content = text("content")?;
    let id =
        todo.get("id").and_then(|id| id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string())));
    let priority = text("priority");
    Some(Todo {
        assumed: id.is_none() || priority.is_none(),
        id: id.unwrap_or_else(|| format!("{:08x}", Identity::key_of(&[content.as_bytes()]) >> 32)),
        content: content.to_owned(),
        status: text("status").and_then(Status::parse).unwrap_or(Status::Pending),
        priority: priority.unwrap_or("medium").to_owned(),
        active_form: text("activeForm").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_ids_keeps_the_same_ids_from_one_telling_to_the_next() {
        let mut todos = Todos::default();
        let first =
            [json!({"content": "Fix", "status": "in_progress"}), json!({"content": "Test", "status": "pending"})];
        assert_eq!(todos.replace(&first).added.len(), 2);
        let second =
            [json!({"content": "Fix", "status": "completed"}), json!({"content": "Test", "status": "in_progress"})];
        let change = todos.replace(&second);
        assert_eq!((change.added.len(), change.completed.len()), (0, 1));
        assert_eq!(todos.stats(), Stats { total: 2, completed: 1, in_progress: 1, pending: 0 });
        assert!(todos.replace(&second).is_empty());
    }

    #[test]
    fn tasks_come_and_go_by_their_ids() {
        let mut todos = Todos::default();
        assert_eq!(todos.add("1", "Write it").added, ["1"]);
        assert!(todos.add("1", "Write it").is_empty());
        assert_eq!(todos.update("1", Some("completed"), None).completed, ["1"]);
        assert!(todos.update("1", Some("completed"), None).is_empty());
        assert!(!todos.update("1", Some("deleted"), None).is_empty());
        assert_eq!(todos.stats().total, 0);
    }
}
