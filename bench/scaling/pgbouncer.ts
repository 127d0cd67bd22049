// PgBouncer, of a release of Debian whose own knows prepared statements.
import fs from "node:fs";
import path from "node:path";
import { root, sharedPath } from "../../dev/lib/paths.mjs";
import { findOrUnpack, loaderOf, STAMP, unpackDebian } from "../../dev/servers/debian.ts";
import { asServer, serverDir, serverFile } from "../../dev/servers/files.ts";
import { isProgram } from "../../dev/servers/find.ts";
import { answers } from "../../dev/servers/probe.ts";
import type { Program } from "../../dev/servers/supervise.ts";

const RELEASE = "trixie";
/** What the program is linked with; nothing of what its package wants beside it. */
const NEEDED =
  /^(pgbouncer|libc6|libcares2|libevent-2.*|libssl3.*|libsystemd0|libpam0g|libaudit1|libcap-ng0|libcap2|libzstd1|zlib1g|libgcc-s1)$/;

interface PgBouncerOptions {
  /** Where it was unpacked. */
  tools: string;
  data: string;
  log: string;
  port: number;
  /** Where Postgres is. */
  postgresPort: number;
  /** Of those who may sign in without being asked for in Postgres. */
  passwords: Readonly<Record<string, string>>;
  settings?: readonly string[];
}

/** Finds PgBouncer, unpacking Debian's packages at the first time. */
export async function findPgBouncer(say: (line: string) => void, signal: AbortSignal): Promise<string> {
  const dir = sharedPath("pgbouncer");
  const files = path.join(dir, "root");
  const find = () =>
    fs.existsSync(path.join(dir, STAMP)) && isProgram(`${files}/usr/sbin/pgbouncer`) ? files : undefined;
  const unpack = () =>
    unpackDebian(
      dir,
      ["pgbouncer"],
      say,
      signal,
      "run it where Debian's packages can be had",
      (name) => NEEDED.test(name),
      RELEASE,
    );
  const found = await findOrUnpack(dir, find, unpack);
  if (!found) throw new Error("Debian's package holds no pgbouncer");
  return found;
}

/** With deploy/pgbouncer/pgbouncer.ini, but for ports, and the superuser, whom npm start needs. */
export function pgbouncer(o: PgBouncerOptions): Program {
  const dir = path.join(o.data, "pgbouncer");
  const ini = path.join(dir, "pgbouncer.ini");
  const [command, ...loader] = loaderOf(o.tools);
  return {
    name: "pgbouncer",
    command,
    args: [...loader, path.join(o.tools, "usr/sbin/pgbouncer"), ini],
    env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8", TZ: "UTC" },
    cwd: "/",
    log: o.log,
    user: asServer,
    prepare: () => {
      serverDir(dir);
      const users = Object.entries(o.passwords).map(([name, password]) => `"${name}" "${password}"\n`);
      serverFile(path.join(dir, "userlist.txt"), users.join(""));
      serverFile(ini, configuration(o, dir));
    },
    port: o.port,
    isReady: () => answers(o.port, startup(), (bytes) => bytes[0] === "R".charCodeAt(0)),
    stopSignal: "SIGINT",
    stopGraceMs: 5_000,
  };
}

function configuration(o: PgBouncerOptions, dir: string): string {
  const shipped = fs.readFileSync(path.join(root, "deploy/pgbouncer/pgbouncer.ini"), "utf8");
  return [
    shipped
      .replace("port=5432", `port=${o.postgresPort}`)
      .replace("listen_port = 6432", `listen_port = ${o.port}`)
      .replace("userlist.txt", path.join(dir, "userlist.txt"))
      .replace("[users]", "[users]\npostgres = pool_mode=session"),
    "unix_socket_dir =",
    "admin_users = postgres",
    ...(o.settings ?? []),
    "",
  ].join("\n");
}

/** A start message of the protocol, for the database of its own. */
function startup(): Buffer {
  const parameters = Buffer.from("user\0postgres\0database\0pgbouncer\0\0");
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + parameters.length, 0);
  head.writeInt32BE(196_608, 4); // protocol 3.0
  return Buffer.concat([head, parameters]);
}
