// Postgres, Redis, RabbitMQ and Erlang: from the machine, else from Debian packages unpacked beside
// the data.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Trouble } from "../lib/words.mjs";
import { findOrUnpack, STAMP, unpackDebian } from "./debian.ts";
import { asServer } from "./files.ts";
import { inPath, isProgram, newest } from "./find.ts";

export interface Toolchain {
  /** Directory of initdb and postgres. */
  postgres: string;
  redisServer: string;
  /**
   * Directory of rabbitmq-server, the script and not Debian's wrapper, which insists on a system
   * user.
   */
  rabbitmq: string;
  /** Directory of erl and epmd. */
  erlang: string;
  /** LD_LIBRARY_PATH for what was unpacked; "" when nothing was. */
  libraries: string;
}

type Finder = (prefix: string) => string | undefined;
interface Part {
  debianPackage: string;
  find: Finder;
}

const PARTS: Record<Exclude<keyof Toolchain, "libraries">, Part> = {
  postgres: {
    debianPackage: "postgresql",
    find: (prefix) =>
      [
        ...newest(`${prefix}/usr/lib/postgresql`, /^\d+$/).map((dir) => `${dir}/bin`),
        ...(prefix ? [] : inPath("initdb")),
      ].find((dir) => isProgram(`${dir}/initdb`) && isProgram(`${dir}/postgres`)),
  },
  redisServer: {
    debianPackage: "redis-server",
    find: (prefix) =>
      ["redis-server", "valkey-server"]
        .flatMap((name) => [
          `${prefix}/usr/bin/${name}`,
          ...(prefix ? [] : inPath(name)).map((dir) => `${dir}/${name}`),
        ])
        .find(isProgram),
  },
  rabbitmq: {
    debianPackage: "rabbitmq-server",
    find: (prefix) =>
      newest(`${prefix}/usr/lib/rabbitmq/lib`, /^rabbitmq_server-/)
        .map((dir) => `${dir}/sbin`)
        .find((dir) => isProgram(`${dir}/rabbitmq-server`)),
  },
  erlang: {
    debianPackage: "rabbitmq-server",
    find: (prefix) => [`${prefix}/usr/lib/erlang/bin`].find((dir) => isProgram(`${dir}/erl`)),
  },
};

/**
 * Finds the servers' programs, unpacking Debian's packages into `dir` when some are missing.
 * @throws Trouble when they are neither here nor to be had
 */
export async function toolchain(
  dir: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Toolchain> {
  const unpack = () => unpackDebian(dir, lookIn(dir).missing, say, signal);
  const found = await findOrUnpack(dir, () => lookIn(dir).tools, unpack);
  if (found) return found;
  throw new Trouble(
    `Debian's packages do not hold ${lookIn(dir).missing.join(", ")}: install them, or use "docker compose up".`,
  );
}

function lookIn(dir: string): { tools: Toolchain | undefined; missing: string[] } {
  const root = path.join(dir, "root");
  // What a half-finished unpacking left does not count.
  const whole = fs.existsSync(path.join(dir, STAMP));
  const paths: Partial<Toolchain> = {};
  const missing = new Set<string>();
  for (const [name, part] of Object.entries(PARTS) as [keyof typeof PARTS, Part][]) {
    const place = part.find("") ?? (whole ? part.find(root) : undefined);
    if (place) paths[name] = place;
    else missing.add(part.debianPackage);
  }
  const tools = { ...(paths as Toolchain), libraries: whole ? libraries(root) : "" };
  return { tools: missing.size === 0 ? tools : undefined, missing: [...missing] };
}

/** LD_LIBRARY_PATH for the programs that were unpacked under `root`. */
export function libraries(root: string): string {
  const dirs = [...newest(`${root}/usr/lib`, /-linux-gnu$/), ...newest(`${root}/lib`, /-linux-gnu$/)];
  return dirs.flatMap((dir) => [dir, ...newest(dir, /^(systemd|pulseaudio)$/)]).join(":");
}

/** The environment of a server program: nothing of ours, and the unpacked libraries. */
function serverEnv(tools: Toolchain, extra: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: `${tools.erlang}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    ...(tools.libraries ? { LD_LIBRARY_PATH: tools.libraries } : {}),
    ...extra,
  };
}

/** What each server is started with. */
export interface ServerOptions {
  tools: Toolchain;
  data: string;
  log: string;
  /** Further lines of its configuration. */
  settings?: readonly string[] | undefined;
}

/** What all server programs have in common. */
export function asServerProgram({ tools, log }: ServerOptions, env?: Record<string, string>) {
  return { env: serverEnv(tools, env), cwd: "/", log, user: asServer };
}

/** Runs a server's own tool to its end, as the server's user. */
export function runTool(command: string, args: string[], tools: Toolchain): void {
  const env = serverEnv(tools);
  const done = spawnSync(command, args, { env, cwd: "/", ...asServer, encoding: "utf8" });
  if (done.status === 0) return;
  const words = `${done.stderr ?? ""}${done.error?.message ?? ""}`.trim();
  if (/No space left/.test(words))
    throw new Trouble("The disk is full: free some space and run the same command again; nothing was lost.");
  throw new Trouble(
    `${path.basename(command)} failed: ${words.slice(-400) || done.signal || "no reason given"}.`,
  );
}
