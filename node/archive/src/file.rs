//! One Parquet file: rows in, pruned rows out.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, LazyLock},
};

use flowlore_common::time::Micros;
use parquet::{
    basic::{Compression, ZstdLevel},
    column::{reader::ColumnReader, writer::ColumnWriter},
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::{RowGroupMetaData, SortingColumn},
        properties::{ReaderProperties, WriterProperties, WriterPropertiesPtr},
        reader::{FileReader as _, RowGroupReader, SerializedFileReader},
        serialized_reader::ReadOptionsBuilder,
        statistics::Statistics,
        writer::SerializedFileWriter,
    },
    schema::{
        parser::parse_message_type,
        types::{ColumnPath, TypePtr},
    },
};

use crate::{
    ArchiveError,
    column::{COLUMNS, Cell, Column, Kind, schema_text},
    limits::{FILTER_FALSE_POSITIVES, GROUP_ROWS_MAX, ZSTD_LEVEL},
    row::Row,
};

/// Which flows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Flows that went on at this time or later.
    pub from: Micros,
    /// Flows that began before this time.
    pub until: Micros,
    /// With this address at one end; `None`: all.
    pub address: Option<IpAddr>,
}

impl Selection {
    /// All there is.
    pub const ALL: Self = Self { from: Micros(i64::MIN), until: Micros(i64::MAX), address: None };

    /// Whether a flow is wanted. One that began before the window and went on into it is.
    #[must_use]
    pub fn wants(&self, row: &Row) -> bool {
        row.end >= self.from
            && row.start < self.until
            && self.address.is_none_or(|address| row.touches(address))
    }
}

/// Sorts rows as they lie in a file: by host in the order of its text, which is the order that
/// readers of the file see, then by start, then so that the same rows give the same bytes.
pub fn sort(rows: &mut [Row]) {
    let mut ranks: BTreeMap<IpAddr, (String, u32)> = BTreeMap::new();
    for row in rows.iter() {
        ranks.entry(row.host).or_insert_with(|| (row.host.to_string(), 0));
    }
    let mut by_text: Vec<&mut (String, u32)> = ranks.values_mut().collect();
    by_text.sort();
    for (rank, (_, number)) in (0..).zip(by_text) {
        *number = rank;
    }
    rows.sort_by(|a, b| {
        let rank = |row: &Row| ranks.get(&row.host).map_or(0, |(_, rank)| *rank);
        rank(a).cmp(&rank(b)).then_with(|| a.order().cmp(&b.order()))
    });
}

static SCHEMA: LazyLock<TypePtr> =
    LazyLock::new(|| Arc::new(parse_message_type(&schema_text()).expect("the table is a schema")));

static PROPERTIES: LazyLock<WriterPropertiesPtr> = LazyLock::new(|| {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("a level that zstd has");
    let ascending = |name| SortingColumn {
        column_idx: index(name) as i32,
        descending: false,
        nulls_first: false,
    };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("flowlore-archive ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_sorting_columns(Some(vec![ascending("host_ip"), ascending("event_start")]));
    for name in ["source_ip", "destination_ip"] {
        let path = ColumnPath::from(name);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), FILTER_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path, GROUP_ROWS_MAX as u64);
    }
    Arc::new(properties.build())
});

fn index(name: &str) -> usize {
    COLUMNS.iter().position(|column| column.name == name).expect("a column of the table")
}

/// Writes sorted rows and makes them durable; the name of the file is not, that is the folder's.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, rows: &[Row]) -> Result<(), ArchiveError> {
    let io = || ArchiveError::io(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(io())?;
    let written = write_to(&file, rows).map_err(|error| match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    });
    written.and_then(|()| file.sync_all()).map_err(io())
}

fn write_to(file: &File, rows: &[Row]) -> Result<(), ParquetError> {
    let out = io::BufWriter::new(file);
    let mut writer = SerializedFileWriter::new(out, Arc::clone(&SCHEMA), Arc::clone(&PROPERTIES))?;
    for group in rows.chunks(GROUP_ROWS_MAX) {
        let mut out = writer.next_row_group()?;
        for column in COLUMNS {
            let mut to =
                out.next_column()?.ok_or_else(|| ParquetError::General("column".into()))?;
            write_column(to.untyped(), column, group)?;
            to.close()?;
        }
        out.close()?;
    }
    let mut out = writer.into_inner()?;
    io::Write::flush(&mut out)?;
    Ok(())
}

fn write_column(
    to: &mut ColumnWriter<'_>,
    column: &Column,
    rows: &[Row],
) -> Result<(), ParquetError> {
    let cells = rows.iter().map(column.get);
    let mut levels = Vec::new();
    if column.kind.optional() {
        levels.extend(cells.clone().map(|cell| i16::from(cell != Cell::Null)));
    }
    let levels = column.kind.optional().then_some(&levels[..]);
    let numbers =
        || cells.clone().filter_map(|cell| if let Cell::Number(n) = cell { Some(n) } else { None });
    match to {
        ColumnWriter::BoolColumnWriter(to) => {
            let flags = cells
                .filter_map(|cell| if let Cell::Flag(flag) = cell { Some(flag) } else { None });
            to.write_batch(&flags.collect::<Vec<_>>(), levels, None)?;
        }
        ColumnWriter::Int32ColumnWriter(to) => {
            let small = numbers().map(|number| i32::try_from(number).unwrap_or(i32::MAX));
            to.write_batch(&small.collect::<Vec<_>>(), levels, None)?;
        }
        ColumnWriter::Int64ColumnWriter(to) => {
            to.write_batch(&numbers().collect::<Vec<_>>(), levels, None)?;
        }
        ColumnWriter::ByteArrayColumnWriter(to) => {
            let texts = cells.filter_map(|cell| {
                if let Cell::Text(text) = cell {
                    Some(ByteArray::from(text.as_ref()))
                } else {
                    None
                }
            });
            to.write_batch(&texts.collect::<Vec<_>>(), levels, None)?;
        }
        _ => return Err(ParquetError::NYI(column.name.to_owned())),
    }
    Ok(())
}

/// Hands on the rows that are wanted, in the file's order; row groups that can hold none are not
/// read. Returns how many groups were.
///
/// # Errors
/// When the file cannot be read or was not written by this crate, and whatever `take` gives.
pub fn read<E: From<ArchiveError>>(
    path: &Path,
    selection: &Selection,
    mut take: impl FnMut(Row) -> Result<(), E>,
) -> Result<usize, E> {
    let file = File::open(path).map_err(ArchiveError::io(path))?;
    let damaged = |error: ParquetError| damage(path, &error);
    let filters = ReaderProperties::builder().set_read_bloom_filter(selection.address.is_some());
    let options = ReadOptionsBuilder::new().with_reader_properties(filters.build()).build();
    let reader = SerializedFileReader::new_with_options(file, options).map_err(damaged)?;
    if reader.metadata().file_metadata().schema() != SCHEMA.as_ref() {
        return Err(damage(path, &"other columns than this version writes").into());
    }
    let mut groups = 0;
    for number in 0..reader.num_row_groups() {
        if !in_time(reader.metadata().row_group(number), selection) {
            continue;
        }
        let group = reader.get_row_group(number).map_err(damaged)?;
        if !may_touch(group.as_ref(), selection) {
            continue;
        }
        groups += 1;
        for row in read_group_or_say(group.as_ref()).map_err(damaged)? {
            if selection.wants(&row) {
                take(row)?;
            }
        }
    }
    Ok(groups)
}

fn damage(path: &Path, what: &impl ToString) -> ArchiveError {
    ArchiveError::Damaged { path: path.to_owned(), what: what.to_string() }
}

/// Whether its statistics leave room for a flow in the window.
fn in_time(group: &RowGroupMetaData, selection: &Selection) -> bool {
    let bounds = |name| match group.column(index(name)).statistics() {
        Some(Statistics::Int64(both)) => (both.min_opt().copied(), both.max_opt().copied()),
        _ => (None, None),
    };
    let (first, _) = bounds("event_start");
    let (_, last) = bounds("event_end");
    first.is_none_or(|first| first < selection.until.0)
        && last.is_none_or(|last| last >= selection.from.0)
}

/// Whether its filters leave room for the address.
fn may_touch(group: &dyn RowGroupReader, selection: &Selection) -> bool {
    let Some(address) = selection.address else { return true };
    let text = address.to_string();
    ["source_ip", "destination_ip"].into_iter().any(|name| {
        group.get_column_bloom_filter(index(name)).is_none_or(|filter| filter.check(text.as_str()))
    })
}

/// As [`read_group`]. Pages carry no checksums, and the library asserts what a damaged one breaks.
fn read_group_or_say(group: &dyn RowGroupReader) -> Result<Vec<Row>, ParquetError> {
    let read = std::panic::AssertUnwindSafe(|| read_group(group));
    std::panic::catch_unwind(read)
        .unwrap_or_else(|_| Err(ParquetError::General("a damaged page".into())))
}

fn read_group(group: &dyn RowGroupReader) -> Result<Vec<Row>, ParquetError> {
    let count = usize::try_from(group.metadata().num_rows())
        .ok()
        .filter(|count| *count <= GROUP_ROWS_MAX)
        .ok_or_else(|| ParquetError::General("a row group of an impossible size".into()))?;
    let mut rows = vec![Row::default(); count];
    for (at, column) in COLUMNS.iter().enumerate() {
        read_column(group.get_column_reader(at)?, column, &mut rows)?;
    }
    Ok(rows)
}

fn read_column(from: ColumnReader, column: &Column, rows: &mut [Row]) -> Result<(), ParquetError> {
    let optional = column.kind.optional();
    let mut levels = Vec::new();
    // One arm a physical type: the values, as cells.
    macro_rules! cells {
        ($reader:ident, $cell:expr) => {{
            let mut values = Vec::new();
            $reader.read_records(rows.len(), optional.then_some(&mut levels), None, &mut values)?;
            fill(column, rows, &levels, values.iter().map($cell))
        }};
    }
    match (from, column.kind) {
        (ColumnReader::BoolColumnReader(mut from), Kind::Flag | Kind::MaybeFlag) => {
            cells!(from, |flag| Ok(Cell::Flag(*flag)))
        }
        (ColumnReader::Int32ColumnReader(mut from), Kind::Small) => {
            cells!(from, |number| Ok(Cell::Number((*number).into())))
        }
        (ColumnReader::Int64ColumnReader(mut from), _) => {
            cells!(from, |number| Ok(Cell::Number(*number)))
        }
        (ColumnReader::ByteArrayColumnReader(mut from), _) => {
            cells!(from, |bytes: &ByteArray| Ok(Cell::Text(bytes.as_utf8()?.into())))
        }
        _ => Err(ParquetError::General(format!("column {} of another type", column.name))),
    }
}

fn fill<'a>(
    column: &Column,
    rows: &mut [Row],
    levels: &[i16],
    mut values: impl Iterator<Item = Result<Cell<'a>, ParquetError>>,
) -> Result<(), ParquetError> {
    let wrong =
        || ParquetError::General(format!("column {} holds what cannot be there", column.name));
    let optional = column.kind.optional();
    if optional && levels.len() != rows.len() {
        return Err(wrong());
    }
    for (at, row) in rows.iter_mut().enumerate() {
        let absent = optional && levels[at] == 0;
        let cell = if absent { Cell::Null } else { values.next().ok_or_else(wrong)?? };
        (column.set)(row, &cell).ok_or_else(wrong)?;
    }
    Ok(())
}
