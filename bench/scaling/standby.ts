import fs from "node:fs";
import path from "node:path";
import { serverDir } from "../../dev/servers/files.ts";
import { postgres } from "../../dev/servers/postgres.ts";
import type { Supervised } from "../../dev/servers/supervise.ts";
import { runTool } from "../../dev/servers/toolchain.ts";
import type { OwnPostgres } from "./own-postgres.ts";

/** A streaming replica of a rehearsal's Postgres. */
export interface Standby {
  readonly server: Supervised;
  /** As superuser, to the database of MedVault. */
  readonly url: string;
}

/** Copies the primary as it is, with pg_basebackup, and follows it from there. */
export async function startStandby(own: OwnPostgres): Promise<Standby> {
  const data = path.join(own.data, "standby");
  fs.rmSync(data, { recursive: true, force: true });
  serverDir(data);
  const from = own.url.replace(/medvault$/, "postgres");
  const args = [
    "-d",
    from,
    "-D",
    path.join(data, "postgres"),
    "-R",
    "-X",
    "stream",
    "-c",
    "fast",
    "--no-sync",
  ];
  runTool(path.join(own.tools.postgres, "pg_basebackup"), args, own.tools);
  const port = own.otherPort;
  const { tools, password } = own;
  const log = path.join(own.logs, "standby.log");
  const server = await own.start(postgres({ tools, data, log, password, port }));
  return { server, url: own.url.replace(`:${own.port}/`, `:${port}/`) };
}
