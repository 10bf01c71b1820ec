// What is written at random, by seed.

export const SCHEMA = `CREATE TABLE a(k INTEGER PRIMARY KEY NOT NULL, x, y);
CREATE TABLE b(p TEXT NOT NULL, q INT NOT NULL, v, PRIMARY KEY(p, q));
CREATE TABLE c(k BLOB PRIMARY KEY NOT NULL);
CREATE TABLE d(k PRIMARY KEY NOT NULL, v TEXT DEFAULT 'd', r REAL);
SELECT crsql_as_crr('a'); SELECT crsql_as_crr('b'); SELECT crsql_as_crr('c'); SELECT crsql_as_crr('d');`;

const VALUES = ['NULL', '0', '1', '-1', "'x'", "'y'", "x'00'", '2.5', '-0.5', '12345678901', "'été'", "''", "x''"];

/** A generator of numbers below a limit. */
export function random(seed) {
    const mask = (1n << 64n) - 1n;
    let state = (BigInt(seed) * 2654435761n + 88172645463325252n) & mask;
    return (limit) => {
        state ^= (state << 13n) & mask;
        state ^= state >> 7n;
        state ^= (state << 17n) & mask;
        return Number((state >> 11n) % BigInt(limit));
    };
}

function write(below, { keys, replace }) {
    const pick = (all) => all[below(all.length)];
    const value = () => pick(VALUES);
    const key = () => below(6);
    const p = () => pick(["'m'", "'n'"]);
    const q = () => below(3);
    const blob = () => pick(["x''", "x'01'", "x'0102'"]);
    const any = () => pick(['1', '2', "'1'", "'k'", "x'31'", '1.5']);
    const or = () => (replace && below(3) === 0 ? 'OR REPLACE' : 'OR IGNORE');
    switch (below(keys ? 14 : 12)) {
        case 0:
        case 1:
            return `INSERT ${or()} INTO a VALUES (${key()}, ${value()}, ${value()})`;
        case 2:
            return `UPDATE a SET x = ${value()} WHERE k = ${key()}`;
        case 3:
            return `UPDATE a SET y = ${value()}, x = ${value()} WHERE k < ${key()}`;
        case 4:
            return `DELETE FROM a WHERE k = ${key()}`;
        case 5:
            return `INSERT ${or()} INTO b VALUES (${p()}, ${q()}, ${value()})`;
        case 6:
            return `UPDATE b SET v = ${value()} WHERE q = ${q()}`;
        case 7:
            return `DELETE FROM b WHERE p = ${p()} AND q = ${q()}`;
        case 8:
            return `INSERT OR IGNORE INTO c VALUES (${blob()})`;
        case 9:
            return `DELETE FROM c WHERE k = ${blob()}`;
        case 10:
            return `INSERT ${or()} INTO d(k, v) VALUES (${any()}, ${value()})`;
        case 11:
            return below(2) === 0
                ? `DELETE FROM d WHERE k = ${any()}`
                : `UPDATE d SET r = ${value()} WHERE k = ${any()}`;
        case 12:
            return `UPDATE OR IGNORE a SET k = ${key()} WHERE k = ${key()}`;
        default:
            return `UPDATE OR IGNORE b SET q = ${q()} WHERE p = ${p()} AND q = ${q()}`;
    }
}

/** One to six statements, some in one transaction. */
export function writes(below, kinds) {
    const count = below(6) + 1;
    const all = Array.from({ length: count }, () => `${write(below, kinds)};`).join('\n');
    return below(2) === 0 ? all : `BEGIN;\n${all}\nCOMMIT;`;
}
