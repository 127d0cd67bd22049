import fs from "node:fs";
import path from "node:path";
import { dataDir, root, sharedPath } from "../../dev/lib/paths.mjs";
import { privateDir } from "../../dev/servers/files.ts";
import { claimPorts } from "../../dev/servers/ports.ts";
import { postgres } from "../../dev/servers/postgres.ts";
import { loadSecrets } from "../../dev/servers/secrets.ts";
import { type Program, Supervised, type Watcher } from "../../dev/servers/supervise.ts";
import { type Toolchain, toolchain } from "../../dev/servers/toolchain.ts";

/** A Postgres of a rehearsal's own, and what else is started beside it. */
export interface OwnPostgres {
  readonly data: string;
  readonly logs: string;
  readonly tools: Toolchain;
  readonly port: number;
  readonly password: string;
  /** As superuser, to the database of MedVault, which may not be there yet. */
  readonly url: string;
  /** A port that nobody else takes. */
  readonly otherPort: number;
  readonly stopped: AbortSignal;
  start(program: Program): Promise<Supervised>;
}

/** Whatever is said of servers goes to their logs. */
const watcher: Watcher = { say: () => {}, onChange: () => {} };

/** Runs `work` beside a Postgres in `.data/<name>`, empty, and ends all that was started, last first. */
export async function withPostgres<T>(
  name: string,
  o: { settings?: readonly string[]; tools?: Partial<Toolchain>; say: (line: string) => void },
  work: (own: OwnPostgres) => Promise<T>,
): Promise<T> {
  const data = dataDir(path.join(root, ".data", name));
  fs.rmSync(path.join(data, "postgres"), { recursive: true, force: true }); // its keys are gone
  const logs = privateDir(path.join(data, "log"));
  const { ports, release } = await claimPorts(data, undefined);
  const stopping = new AbortController();
  const onSignal = () => stopping.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  const running: Supervised[] = [];
  try {
    const tools = { ...(await toolchain(sharedPath("toolchain"), o.say, stopping.signal)), ...o.tools };
    const { postgres: password } = loadSecrets(data);
    const start = async (program: Program) => {
      const one = new Supervised(program, watcher);
      running.unshift(one);
      await one.start();
      return one;
    };
    const log = path.join(logs, "postgres.log");
    await start(postgres({ tools, data, log, password, port: ports.postgres, settings: o.settings }));
    const url = `postgres://postgres:${password}@127.0.0.1:${ports.postgres}/medvault`;
    const own = { data, logs, tools, port: ports.postgres, password, url, otherPort: ports.redis };
    return await work({ ...own, stopped: stopping.signal, start });
  } finally {
    for (const one of running) await one.stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
    release();
  }
}
