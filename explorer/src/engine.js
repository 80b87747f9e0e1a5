// DuckDB in the browser over data.duckdb, of which it fetches the blocks that a query reads. Nothing else is fetched:
// no extension is loaded, and the settings are locked.
import * as duckdb from "@duckdb/duckdb-wasm";

const here = (name) => new URL(name, document.baseURI).href;

const DATA = "data.duckdb";

// Whether the server hands out parts of a file; where it does not, the file is fetched whole.
const handsOutParts = async (address) => {
  const answer = await fetch(address, { headers: { Range: "bytes=0-15" }, cache: "no-store" });
  if (!answer.ok) {
    throw new Error(`${DATA} was not found beside this page (${answer.status}).`);
  }
  await answer.body?.cancel();
  return answer.status === 206;
};

export const open = async () => {
  if (location.protocol === "file:") {
    throw new Error("A browser gives a page of file:// no files. Serve the folder: cmdb explore, or any web server.");
  }
  const address = here(DATA);
  const worker = new Worker(here("duckdb-browser-eh.worker.js"));
  const database = new duckdb.AsyncDuckDB(new duckdb.VoidLogger(), worker);
  const [, inParts] = await Promise.all([database.instantiate(here("duckdb-eh.wasm")), handsOutParts(address)]);
  await database.open({
    filesystem: { allowFullHTTPReads: false, forceFullHTTPReads: false, reliableHeadRequests: true },
  });
  const connection = await database.connect();
  await connection.query("set autoload_known_extensions = false");
  await connection.query("set autoinstall_known_extensions = false");
  let file = address;
  if (!inParts) {
    file = DATA;
    const whole = await (await fetch(address)).arrayBuffer();
    await database.registerFileBuffer(DATA, new Uint8Array(whole));
  }
  await connection.query(`attach '${file.replaceAll("'", "''")}' as data (read_only)`);
  await connection.query("use data");
  await connection.query("set preserve_insertion_order = false");
  await connection.query("set lock_configuration = true");
  return new Engine(connection);
};

export class Engine {
  #connection;
  // One query at a time: the engine has one thread.
  #last = Promise.resolve();

  constructor(connection) {
    this.#connection = connection;
  }

  /** The rows of a query as objects; `values` are bound in order. Amounts come as text, so no digit is lost. */
  rows(sql, values = []) {
    return this.#next(async (statement) => (await statement.query(...values)).toArray().map((row) => row.toJSON()), sql);
  }

  /** Batches of rows, for what may be large. */
  async batches(sql, values, each) {
    await this.#next(async (statement) => {
      for await (const batch of await statement.send(...values)) {
        each(batch.toArray().map((row) => row.toJSON()));
      }
    }, sql);
  }

  #next(work, sql) {
    const run = this.#last.then(async () => {
      const statement = await this.#connection.prepare(sql);
      try {
        return await work(statement);
      } finally {
        await statement.close();
      }
    });
    this.#last = run.catch(() => {});
    return run;
  }
}
