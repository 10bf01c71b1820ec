// The two sides of an exchange: a real cr-sqlite, and crsql in the sqlite3 shell.

import fs from 'node:fs';
import { spawnSync } from 'node:child_process';
import factory from '@vlcn.io/wa-sqlite/dist/crsqlite-sync.mjs';
import * as SQLite from '@vlcn.io/wa-sqlite';
import { MemoryVFS } from '@vlcn.io/wa-sqlite/src/examples/MemoryVFS.js';

let api;
let files;

async function library() {
    if (!api) {
        const binary = new URL('node_modules/@vlcn.io/wa-sqlite/dist/crsqlite-sync.wasm', import.meta.url);
        api = SQLite.Factory(await factory({ wasmBinary: fs.readFileSync(binary), locateFile: (file) => file }));
        files = new MemoryVFS();
        api.vfs_register(files);
    }
    return api;
}

let opened = 0;

/** A database of cr-sqlite, in memory. */
export class Theirs {
    static async open() {
        const side = new Theirs();
        side.api = await library();
        side.name = `database-${opened++}`;
        const flags = SQLite.SQLITE_OPEN_CREATE | SQLite.SQLITE_OPEN_READWRITE;
        side.handle = await side.api.open_v2(side.name, flags, 'memory');
        return side;
    }

    async rows(sql) {
        const rows = [];
        for await (const statement of this.api.statements(this.handle, sql)) {
            while ((await this.api.step(statement)) === SQLite.SQLITE_ROW) {
                rows.push(this.api.row(statement));
            }
        }
        return rows;
    }

    run(sql) {
        return this.rows(sql);
    }

    async lines(sql) {
        return (await this.rows(sql)).map((row) => row.join('|'));
    }

    /** The bytes of the file. */
    bytes() {
        const file = files.mapNameToFile.get(this.name);
        return Buffer.from(file.data.slice(0, file.size));
    }
}

/** A database of crsql, in a file. */
export class Ours {
    constructor(path) {
        for (const file of [path, `${path}-journal`]) {
            fs.rmSync(file, { force: true });
        }
        this.path = path;
    }

    shell(sql) {
        const input = `.load ${process.env.CRSQL_EXTENSION}\n${sql}\n`;
        const options = ['-batch', '-bail', '-list', '-newline', '\x1e', this.path];
        const done = spawnSync('sqlite3', options, { input, maxBuffer: 1 << 28 });
        if (done.status !== 0) {
            throw new Error(`${done.stderr}\n${sql.slice(0, 1000)}`);
        }
        return done.stdout.toString();
    }

    run(sql) {
        this.shell(sql);
    }

    lines(sql) {
        return this.shell(`${sql};`).split('\x1e').filter((line) => line.length > 0);
    }
}
