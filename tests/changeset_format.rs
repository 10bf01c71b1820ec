//! The bytes of changesets: golden ones, round trips, and what a reader makes of damaged and crafted ones.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "changeset_format/damage.rs"]
mod damage;
#[path = "support/dice.rs"]
mod dice;
#[path = "support/sealed.rs"]
mod sealed;

use crsql::crdt;
use crsql::crdt::change::{CausalLength, ColumnVersion, DbVersion, Position, Seq};
use crsql::crdt::changeset::{CellWrite, Defect, Origin, Part, Reader, RowHead, Writer};
use crsql::crdt::value::{Value, ValueRef};
use dice::Dice;

const SITE: [u8; 16] = [0xa1; 16];

/// A row as it was written, or read.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    table: String,
    columns: Vec<String>,
    site: Vec<u8>,
    version: u64,
    seq: u64,
    cl: u64,
    key: Vec<Value>,
    cells: Vec<(u64, u64, Value)>,
}

fn origin(level: i32) -> Origin {
    Origin {
        site: SITE.to_vec(),
        after: (DbVersion(0), None),
        level,
    }
}

fn position(version: u64, seq: u64) -> Position {
    Position {
        version: DbVersion(version),
        seq: Seq(seq),
    }
}

/// Adds rows of one table with two key columns at most; its columns are numbered in the order of their first use.
struct Filler {
    writer: Writer,
    tables: Vec<(String, Vec<String>)>,
}

impl Filler {
    fn new(level: i32) -> Filler {
        Filler {
            writer: Writer::new(origin(level)),
            tables: Vec::new(),
        }
    }

    fn push(&mut self, row: &Row) {
        let known = self.tables.iter().position(|(name, _)| *name == row.table);
        let table = known.unwrap_or_else(|| {
            self.writer.add_table(&row.table, row.key.len());
            self.tables.push((row.table.clone(), Vec::new()));
            self.tables.len() - 1
        });
        let columns: Vec<u32> = row
            .columns
            .iter()
            .map(|name| {
                let columns = &mut self.tables[table].1;
                let known = columns.iter().position(|column| column == name);
                known.map_or_else(
                    || {
                        columns.push(name.clone());
                        self.writer.add_column(table as u32, name)
                    },
                    |place| place as u32,
                )
            })
            .collect();
        let head = RowHead {
            site: self.writer.site(&row.site),
            version: DbVersion(row.version),
            seq: Seq(row.seq),
            cl: CausalLength(row.cl),
        };
        let cells = row.cells.iter().map(|(version, seq, value)| CellWrite {
            version: ColumnVersion(*version),
            offset: seq - row.seq,
            value: value.as_ref(),
        });
        let key = row.key.iter().map(Value::as_ref);
        self.writer.push((table as u32, &columns), head, key, cells);
    }
}

fn written(rows: &[Row], level: i32) -> Vec<u8> {
    let mut filler = Filler::new(level);
    rows.iter().for_each(|row| filler.push(row));
    let last = rows
        .last()
        .map_or(position(0, 0), |row| position(row.version, row.seq));
    filler.writer.finish(last, Part::Whole)
}

fn read(bytes: &[u8]) -> Result<Vec<Row>, Defect> {
    let mut reader = Reader::open(bytes)?;
    let header = reader.header().clone();
    let mut rows = Vec::new();
    let mut buffer = Vec::new();
    while let Some(mut chunk) = reader.next_chunk(&mut buffer)? {
        while let Some(row) = chunk.next_row()? {
            let table = &header.tables[row.table];
            rows.push(Row {
                table: table.name.clone(),
                columns: row
                    .columns
                    .iter()
                    .map(|column| table.columns[*column as usize].name.clone())
                    .collect(),
                site: header.sites[row.site].clone(),
                version: row.version.0,
                seq: row.seq.0,
                cl: row.cl.0,
                key: row
                    .key
                    .iter()
                    .map(|value| ValueRef::to_owned(*value))
                    .collect(),
                cells: row
                    .cells
                    .iter()
                    .map(|cell| (cell.version.0, cell.seq.0, cell.value.to_owned()))
                    .collect(),
            });
        }
    }
    Ok(rows)
}

fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

/// Two whole rows, an update of one, and a delete.
fn few_rows() -> Vec<Row> {
    let insert = |id, seq, name: &str| Row {
        table: "t".to_owned(),
        columns: vec!["a".to_owned(), "b".to_owned()],
        site: SITE.to_vec(),
        version: 1,
        seq,
        cl: 1,
        key: vec![Value::Integer(id)],
        cells: vec![(1, seq, text(name)), (1, seq + 1, Value::Integer(id * 100))],
    };
    vec![
        insert(1, 0, "one"),
        insert(2, 2, "two"),
        Row {
            columns: vec!["b".to_owned()],
            site: vec![0xb2],
            version: 7,
            seq: 4,
            cells: vec![(2, 4, Value::Real(2.5))],
            ..insert(2, 0, "")
        },
        Row {
            columns: Vec::new(),
            version: 8,
            seq: 0,
            cl: 2,
            cells: Vec::new(),
            ..insert(1, 0, "")
        },
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The changeset of `few_rows`, byte by byte as docs/design.md has it.
const GOLDEN: &str = "
    43525351 01                     CRSQ, format 1
    ad00000000000000                173 bytes follow the checksum
    24ca527d                        checksum
    00                              header: no features
    10 a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1  made by this site
    00 00                           after version 0, no seq
    01                              first version
    08 00                           last position
    00 00                           whole, no filter
    02 10 a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 01 b2  two authors
    01 01 74 01                     one table, t, with one key column
    02 01 61 00 01 62 00            two columns, a and b, of kind 0
    04 06                           four rows, six changes
    01                              one chunk
    00 70                           stored, 112 bytes
    03                              three groups
    00 02 00 01 02                  table 0, columns 0 and 1, two rows
    00 01 01 01                     table 0, column 1, one row
    00 00 01                        table 0, a sentinel
    03 00 02 01 01 02 01            order: two of group 0, one of 1, one of 2
    02 00 00                        group 0: authors, all 0
    02 00 02                        versions, all 1
    03 01 00 04                     seqs, 0 and 2
    02 00 02                        causal lengths, all 1
    02 00 02 02 00 00               a: column versions 1, offsets 0
    02 00 02 02 00 02               b: column versions 1, offsets 1
    01 03 01 02 02                  keys: integers, 1 and 2
    03 02 00 06 06 6f6e6574776f     a: texts of 3 bytes, one, two
    01 05 01 c801 c801              b: integers, 100 and 200
    02 00 02 02 00 0e 02 00 08 02 00 02  group 1: author 1, version 7, seq 4, causal length 1
    02 00 04 02 00 00               b: column version 2, offset 0
    01 02 00 04                     key: integer, 2
    02 04 01 01 00 32               b: real, 25 / 10
    02 00 00 02 00 10 02 00 00 02 00 04  group 2: author 0, version 8, seq 0, causal length 2
    01 02 00 02                     key: integer, 1
";

/// The same, compressed.
const GOLDEN_COMPRESSED: &str = "\
    4352535101a5000000000000001bdae0c60010a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1000001080000000210a1a1a1a1\
    a1a1a1a1a1a1a1a1a1a1a1a101b201017401020161000162000406010166b90228b52ffd603900e50200a2851019a027\
    e960555516fb4ddc1afe8bf5ff5db1c21f9b4cf64e49066f2b2098d6b5cbd8000f0f8906c4a10c8e29a76008c6052548\
    21a1977cbf6bd27bdbf5919bbadda308002911187bc663d960359236027ad74233d36c6cdd13";

/// Rows of one text many times.
fn compressible_rows() -> Vec<Row> {
    let mut rows = few_rows();
    rows[0].cells[0].2 = text(&"again and ".repeat(20));
    rows
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// The bytes in the first columns of a commented dump.
fn dumped(dump: &str) -> Vec<u8> {
    let lines = dump
        .lines()
        .map(|line| line.trim().split("  ").next().unwrap_or_default());
    bytes_of(&lines.collect::<String>().replace(' ', ""))
}

#[test]
fn the_bytes_are_the_documented_ones() {
    assert_eq!(hex(&written(&few_rows(), 0)), hex(&dumped(GOLDEN)));
    assert_eq!(read(&dumped(GOLDEN)), Ok(few_rows()));
}

#[test]
fn compressed_ones_of_earlier_releases_can_be_read() {
    assert_eq!(read(&bytes_of(GOLDEN_COMPRESSED)), Ok(compressible_rows()));
}

#[test]
fn rows_come_back_in_their_order() {
    for level in [0, 3] {
        assert_eq!(read(&written(&few_rows(), level)), Ok(few_rows()));
    }
    assert_eq!(read(&written(&[], 3)), Ok(Vec::new()));
}

impl Dice {
    fn value(&mut self) -> Value {
        match self.roll(9) {
            0 => Value::Null,
            1 => Value::Integer(self.roll(100) as i64),
            2 => Value::Integer((self.0 ^ self.0 << 21) as i64),
            3 => Value::Real(self.roll(10_000) as f64 / 100.0),
            4 => Value::Real(f64::from_bits(self.0 >> 12 | 0x3ff0_0000_0000_0000)),
            5 => Value::Real(-0.0),
            6 => Value::Blob((0..self.roll(9)).map(|byte| byte as u8).collect()),
            _ => text(&"abcdefghij"[..self.roll(10) as usize]),
        }
    }
}

fn many_rows(count: u64) -> Vec<Row> {
    let mut dice = Dice(count);
    (0..count)
        .map(|number| {
            let places = dice.roll(8);
            let columns = (0..3).filter(|place| places >> place & 1 == 1);
            let columns: Vec<String> = columns.map(|place| format!("column {place}")).collect();
            let seq = dice.roll(1000);
            Row {
                table: format!("table {}", dice.roll(3)),
                cells: columns
                    .iter()
                    .map(|_| (dice.roll(5), seq + dice.roll(9), dice.value()))
                    .collect(),
                columns,
                site: vec![dice.roll(3) as u8 + 1; 16],
                version: number / 5,
                seq,
                cl: dice.roll(6) + 1,
                key: vec![dice.value()],
            }
        })
        .collect()
}

#[test]
fn values_of_all_classes_come_back() {
    let rows = many_rows(2000);
    for level in [0, 3] {
        // -0.0 is equal to 0.0, and must come back as what it is.
        assert_eq!(
            format!("{:?}", read(&written(&rows, level))),
            format!("{:?}", Ok::<_, Defect>(&rows))
        );
    }
}

#[test]
fn rows_fill_several_chunks() {
    let mut rows = few_rows();
    for id in 0..80_000 {
        let seq = 2 * id;
        rows.push(Row {
            key: vec![Value::Integer(id as i64)],
            version: 9,
            seq,
            cells: vec![
                (1, seq, text("some text")),
                (1, seq + 1, Value::Integer(-1)),
            ],
            ..rows[0].clone()
        });
    }
    let bytes = written(&rows, 3);
    assert!(Reader::open(&bytes).unwrap().header().chunks > 1);
    assert!(read(&bytes) == Ok(rows), "they come back");
}

#[test]
fn what_is_not_marked_can_be_left_out() {
    // Of few rows, and of so many that chunks were closed before and after the mark.
    for (kept, left_out) in [(3, 4), (2, 50_000), (50_000, 5), (50_000, 60_000), (0, 3)] {
        let rows = many_rows(kept + left_out);
        let mut filler = Filler::new(3);
        rows.iter()
            .take(kept as usize)
            .for_each(|row| filler.push(row));
        filler.writer.mark();
        assert_eq!(filler.writer.has_marked(), kept > 0);
        rows.iter()
            .skip(kept as usize)
            .for_each(|row| filler.push(row));
        filler.writer.leave_out_unmarked();
        let announced = filler.writer.bytes();
        let bytes = filler.writer.finish(position(9, 9), Part::Whole);
        assert!(bytes.len() <= announced, "{} of {announced}", bytes.len());
        let counted: u64 = Reader::open(&bytes)
            .unwrap()
            .header()
            .tables
            .iter()
            .map(|table| table.rows)
            .sum();
        assert_eq!(counted, kept);
        let back = read(&bytes).unwrap();
        assert!(
            format!("{back:?}") == format!("{:?}", &rows[..kept as usize]),
            "{kept} rows"
        );
    }
}

#[test]
fn a_changeset_is_no_larger_than_announced() {
    for count in [1, 10, 100, 1000] {
        let mut filler = Filler::new(0);
        many_rows(count).iter().for_each(|row| filler.push(row));
        let announced = filler.writer.bytes();
        let bytes = filler.writer.finish(position(9, 9), Part::Whole);
        assert!(
            bytes.len() <= announced,
            "{count} rows: {} of {announced}",
            bytes.len()
        );
    }
}

/// A large value that compresses to almost nothing.
#[test]
fn large_values_of_zeros_come_back() {
    let mut rows = few_rows();
    rows[0].cells[0].2 = Value::Blob(vec![0; 20_000_000]);
    let bytes = written(&rows, 3);
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    assert!(read(&bytes) == Ok(rows), "they come back");
}
