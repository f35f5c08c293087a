//! The tables that are copied, and their rows in a form that is the same for every engine.

use bulla_database::{Cell, Engine, EngineName, Failure, Kind, Row, Session, Statement, Value, WrongColumn};

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) key: Key,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) content: Content,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Number,
    Text,
    /// A digest in hexadecimal, behind which the reference's columns have blanks where it is shorter.
    Digest,
    Bytes,
    Time,
}

/// What tells one row from the others: the first columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A number that is given out by the database, and is kept.
    Id,
    /// A GUN.
    Gun,
    /// A GUN and a version.
    GunAndVersion,
    /// The name of a webhook.
    Name,
}

/// A row, in the order of the table's columns and in their form.
pub(super) type Cells = Vec<Cell>;

const fn column(name: &'static str, content: Content) -> Column {
    Column { name, content }
}

/// The reference's tables and ours. Leases are those of running processes, and stay behind, also those of webhooks, which go
/// on from their place.
pub(super) static TABLES: [Table; 5] = [
    Table {
        name: "tuf_files",
        columns: &[
            column("id", Content::Number),
            column("created_at", Content::Time),
            column("updated_at", Content::Time),
            column("deleted_at", Content::Time),
            column("gun", Content::Text),
            column("role", Content::Text),
            column("version", Content::Number),
            column("sha256", Content::Digest),
            column("data", Content::Bytes),
        ],
        key: Key::Id,
    },
    Table {
        name: "changefeed",
        columns: &[
            column("id", Content::Number),
            column("created_at", Content::Time),
            column("gun", Content::Text),
            column("version", Content::Number),
            column("sha256", Content::Digest),
            column("category", Content::Text),
        ],
        key: Key::Id,
    },
    Table {
        name: "bulla_repositories",
        columns: &[
            column("gun", Content::Text),
            column("used_at", Content::Number),
            column("snapshot_floor", Content::Number),
            column("timestamp_floor", Content::Number),
            column("writes", Content::Number),
        ],
        key: Key::Gun,
    },
    Table {
        name: "bulla_renewals",
        columns: &[column("gun", Content::Text), column("version", Content::Number)],
        key: Key::GunAndVersion,
    },
    Table {
        name: "bulla_webhooks",
        columns: &[column("name", Content::Text), column("place", Content::Number)],
        key: Key::Name,
    },
];

impl Table {
    /// The columns' names.
    pub(super) fn names(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    pub(super) async fn is_empty<E: Engine>(&self, session: &mut Session<'_, E>) -> Result<bool, Failure> {
        let statement = Statement::new(&format!("SELECT {} FROM {} LIMIT 1", self.key.columns(), self.name));
        Ok(session.fetch(&statement, &[]).await?.is_empty())
    }

    /// Writes rows in one statement.
    pub(super) async fn insert<E: Engine>(&self, session: &mut Session<'_, E>, rows: &[Cells]) -> Result<(), Failure> {
        let mut places = 1..;
        let mut group = || {
            let places: Vec<String> = places.by_ref().take(self.columns.len()).map(|n| format!("${n}")).collect();
            format!("({})", places.join(", "))
        };
        let groups: Vec<String> = rows.iter().map(|_| group()).collect();
        let text = format!("INSERT INTO {} ({}) VALUES {}", self.name, self.names(), groups.join(", "));
        let values: Vec<Value<'_>> = rows.iter().flat_map(|row| self.values(row)).collect();
        session.execute(&Statement::new(&text), &values).await.map(|_| ())
    }

    /// Lets the database give out numbers above those that are there. The others do that by themselves.
    pub(super) async fn move_numbers_on<E: Engine>(&self, session: &mut Session<'_, E>) -> Result<(), Failure> {
        if self.key != Key::Id || E::ENGINE != EngineName::Postgres {
            return Ok(());
        }
        let table = self.name;
        let text =
            format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table} HAVING max(id) > 0");
        session.fetch(&Statement::new(&text), &[]).await.map(|_| ())
    }

    /// A row as it came from a database, in the form of the columns.
    pub(super) fn cells(&self, mut row: Row) -> Result<Cells, WrongColumn> {
        let cell = |(place, column): (usize, &Column)| {
            let cell = match column.content {
                Content::Number => row.number(place)?.map(Cell::Number),
                Content::Text => row.text(place)?.map(|text| Cell::Text(text.to_owned())),
                Content::Digest => row.trimmed(place)?.map(|text| Cell::Text(text.to_owned())),
                Content::Bytes => row.take_bytes(place)?.map(Cell::Bytes),
                Content::Time => row.time(place)?.map(Cell::Time),
            };
            Ok(cell.unwrap_or(Cell::Null))
        };
        self.columns.iter().enumerate().map(cell).collect()
    }

    /// A row's key for people.
    pub(super) fn name_of(&self, row: &Cells) -> String {
        match row.first() {
            Some(Cell::Number(id)) => format!("id {id}"),
            Some(Cell::Text(gun)) => gun.clone(),
            _ => String::new(),
        }
    }

    fn values<'r>(&self, row: &'r Cells) -> impl Iterator<Item = Value<'r>> {
        self.columns.iter().zip(row).map(|(column, cell)| match cell {
            Cell::Null => Value::Null(column.content.kind()),
            Cell::Text(text) => Value::Text(text),
            Cell::Number(number) => Value::Number(*number),
            Cell::Bytes(bytes) => Value::Bytes(bytes),
            Cell::Time(micros) => Value::Time(*micros),
        })
    }
}

impl Content {
    fn kind(self) -> Kind {
        match self {
            Self::Number => Kind::Number,
            Self::Text | Self::Digest => Kind::Text,
            Self::Bytes => Kind::Bytes,
            Self::Time => Kind::Time,
        }
    }
}

impl Key {
    /// Its columns.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Gun => "gun",
            Self::GunAndVersion => "gun, version",
            Self::Name => "name",
        }
    }
}
