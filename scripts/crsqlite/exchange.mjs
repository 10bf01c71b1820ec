// Sessions of a real cr-sqlite and crsql that write apart and exchange changes, at random; and their record.
//
// Options: rounds; full (all changes each time, not only new ones); keys and replace: 'both', 'ours' or 'none',
// who changes keys of rows and who says INSERT OR REPLACE.

import fs from 'node:fs';
import { Ours, Theirs } from './sides.mjs';
import { SCHEMA, random, writes } from './writes.mjs';

const changes = (since) =>
    `SELECT 'INSERT INTO crsql_changes VALUES (' || quote("table") || ', ' || quote(pk) || ', ' || quote(cid) || ', '
        || quote(val) || ', ' || quote(col_version) || ', ' || quote(db_version) || ', ' || quote(site_id) || ', '
        || quote(cl) || ', ' || quote(seq) || ');' FROM crsql_changes WHERE db_version > ${since}`;

// Also in tests/crsqlite.rs.
const TABLES = `SELECT 'a', quote(k), quote(x), quote(y) FROM a UNION ALL
    SELECT 'b', quote(p), quote(q), quote(v) FROM b UNION ALL
    SELECT 'c', quote(k), '', '' FROM c UNION ALL
    SELECT 'd', quote(k), quote(v), quote(r) FROM d ORDER BY 1, 2, 3, 4`;
const CLOCKS = `SELECT "table", hex(pk), cid, quote(val), col_version, cl FROM crsql_changes
    WHERE NOT (cid = '-1' AND cl = 1) ORDER BY 1, 2, 3`;
const VERSION = 'SELECT crsql_db_version()';

async function session(seed, options) {
    const below = random(seed);
    const [theirs, ours] = [await Theirs.open(), new Ours(`ours-${process.pid}.db`)];
    await theirs.run(SCHEMA);
    ours.run(SCHEMA);
    const record = [];
    const note = (name, lines) => record.push(`== ${name}`, ...lines);
    let since = { theirs: 0, ours: 0 };
    let difference = null;
    for (let round = 0; round < options.rounds && !difference; round++) {
        for (const side of ['theirs', 'ours']) {
            const may = (who) => who === 'both' || who === side;
            const sql = writes(below, { keys: may(options.keys), replace: may(options.replace) });
            if (side === 'ours') {
                note('ours writes', sql.split('\n'));
                ours.run(sql);
            } else {
                note('theirs writes', sql.split('\n'));
                await theirs.run(sql);
            }
        }
        const [from, to] = [await theirs.lines(changes(since.theirs)), ours.lines(changes(since.ours))];
        if (!options.full) {
            since = { theirs: (await theirs.lines(VERSION))[0], ours: ours.lines(VERSION)[0] };
        }
        note(options.full ? 'ours sends all' : 'ours sends news', to);
        note('theirs sends', from);
        await theirs.run(`BEGIN;\n${to.join('\n')}\nCOMMIT;`);
        ours.run(`BEGIN;\n${from.join('\n')}\nCOMMIT;`);
        for (const [what, query] of [['tables', TABLES], ['clocks', CLOCKS]]) {
            const [left, right] = [await theirs.lines(query), ours.lines(query)];
            note(`theirs holds ${what}`, left);
            if (what === 'tables' || options.clocks) {
                const lacks = (all, other) => all.filter((line) => !other.includes(line));
                const [only, others] = [lacks(left, right), lacks(right, left)];
                if (only.length + others.length > 0) {
                    difference ??= { seed, round, what, 'only theirs': only, 'only ours': others };
                }
            }
        }
    }
    const problems = ours.lines('SELECT problem FROM crsql_check');
    if (problems.length > 0 && !options.problems) {
        difference ??= { seed, problems };
    }
    return { record, difference, theirs };
}

async function randomly(options, first, count) {
    let different = 0;
    for (let seed = first; seed < first + count; seed++) {
        const { difference } = await session(seed, options);
        if (difference && different++ < 3) {
            console.log(JSON.stringify(difference, null, 1));
        }
    }
    console.log(`${count} sessions from seed ${first}: ${different} differ (${JSON.stringify(options)})`);
    process.exitCode = different > 0 ? 1 : 0;
}

async function fixtures() {
    const directory = process.env.CRSQL_FIXTURES;
    fs.mkdirSync(directory, { recursive: true });
    const kinds = {
        news: { rounds: 6, clocks: true, keys: 'none', replace: 'none' },
        replace: { rounds: 6, keys: 'none', replace: 'both' },
        'our-keys': { rounds: 6, keys: 'ours', replace: 'none' },
        'all-keys': { rounds: 6, full: true, keys: 'both', replace: 'both', problems: true },
    };
    for (const [name, options] of Object.entries(kinds)) {
        for (const seed of [1, 2]) {
            const { record, difference, theirs } = await session(seed, options);
            if (difference) {
                throw new Error(JSON.stringify(difference));
            }
            fs.writeFileSync(`${directory}/${name}-${seed}.session`, `${record.join('\n')}\n`);
            if (seed === 1) {
                const all = await theirs.lines(changes(0));
                const state = [
                    '== site', ...(await theirs.lines('SELECT quote(crsql_site_id())')),
                    '== version', ...(await theirs.lines(VERSION)),
                    '== changes', ...all,
                    '== tables', ...(await theirs.lines(TABLES)),
                ];
                fs.writeFileSync(`${directory}/${name}.state`, `${state.join('\n')}\n`);
                await theirs.run('PRAGMA page_size = 1024; VACUUM');
                fs.writeFileSync(`${directory}/${name}.db`, theirs.bytes());
            }
        }
    }
}

const [command, options, first, count] = process.argv.slice(2);
if (command === 'fixtures') {
    await fixtures();
} else if (command === 'random') {
    await randomly(JSON.parse(options), Number(first), Number(count));
} else {
    console.error('usage: run random OPTIONS FIRST_SEED COUNT | run fixtures');
    process.exitCode = 2;
}
