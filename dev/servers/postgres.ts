import fs from "node:fs";
import path from "node:path";
import { commandLine, startTime } from "../lib/processes.mjs";
import { serverDir, serverFile } from "./files.ts";
import { answers } from "./probe.ts";
import type { Program } from "./supervise.ts";
import { asServerProgram, runTool, type ServerOptions } from "./toolchain.ts";

export interface PostgresOptions extends ServerOptions {
  port: number;
  password: string;
  /** Tests trade the power cord for speed; a killed process still loses nothing. */
  unsafeWithoutFsync?: boolean | undefined;
}

/** A private Postgres under <data>/postgres; its cluster is made at the first start. */
export function postgres(o: PostgresOptions): Program {
  const dir = path.join(o.data, "postgres");
  return {
    name: "postgres",
    command: path.join(o.tools.postgres, "postgres"),
    args: ["-D", dir, ...settings(o).flatMap((setting) => ["-c", setting])],
    ...asServerProgram(o),
    prepare: () => {
      const version = fs.statSync(path.join(dir, "PG_VERSION"), { throwIfNoEntry: false });
      if (!version) initialise(o, dir);
      removeStalePid(dir);
    },
    port: o.port,
    isReady: () => acceptsLogins(o.port),
    // Fast shutdown: open transactions are rolled back, the checkpoint is written.
    stopSignal: "SIGINT",
    stopGraceMs: 8_000,
  };
}

function settings(o: PostgresOptions): string[] {
  return [
    "listen_addresses=127.0.0.1",
    `port=${o.port}`,
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=128MB",
    "logging_collector=off",
    "timezone=UTC",
    "jit=off", // its library is left out of the unpacked packages, and our queries are short
    "log_error_verbosity=terse", // a constraint's DETAIL quotes the row's values
    "log_parameter_max_length_on_error=0",
    "log_min_error_statement=panic",
    ...(o.unsafeWithoutFsync ? ["fsync=off", "full_page_writes=off"] : []),
    ...(o.settings ?? []),
  ];
}

/**
 * initdb into a directory beside, then one rename: a half-made cluster is never taken for a whole
 * one.
 */
function initialise(o: PostgresOptions, dir: string): void {
  const partial = `${dir}.partial`;
  fs.rmSync(partial, { recursive: true, force: true });
  fs.rmSync(dir, { recursive: true, force: true });
  serverDir(partial);
  const passwordFile = serverFile(path.join(o.data, ".initdb-password"), `${o.password}\n`);
  try {
    const access = ["--username=postgres", "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
    const content = ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"];
    const args = [`--pgdata=${partial}`, ...access, ...content];
    runTool(path.join(o.tools.postgres, "initdb"), args, o.tools);
  } finally {
    fs.rmSync(passwordFile, { force: true });
  }
  fs.renameSync(partial, dir);
}

/**
 * Postgres itself sees that a dead process' pid file is stale, but not when the number now belongs
 * to a zombie or to another program. Removed only then: the file is what keeps two servers off one
 * directory.
 */
function removeStalePid(dir: string): void {
  const file = path.join(dir, "postmaster.pid");
  if (!fs.existsSync(file)) return;
  const pid = Number(fs.readFileSync(file, "utf8").split("\n")[0]);
  const isPostgres = startTime(pid) !== "" && commandLine(pid).includes(dir);
  if (!isPostgres) fs.rmSync(file);
}

/**
 * It answers TCP long before it accepts logins: only a request for a password says that recovery is
 * over.
 */
function acceptsLogins(port: number): Promise<boolean> {
  const parameters = Buffer.from("user\0postgres\0database\0postgres\0\0");
  const startup = Buffer.alloc(8);
  startup.writeInt32BE(8 + parameters.length, 0);
  startup.writeInt32BE(196_608, 4); // protocol 3.0
  return answers(port, Buffer.concat([startup, parameters]), (bytes) => bytes[0] === "R".charCodeAt(0));
}
