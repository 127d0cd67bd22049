// Postgres, Redis, RabbitMQ and Erlang: from the machine, else from Debian packages unpacked beside the data.
import { type SpawnSyncOptions, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { acquireLock } from "../lib/lock.mjs";
import { step, Trouble } from "../lib/words.mjs";

export interface Toolchain {
  /** Directory of initdb and postgres. */
  postgres: string;
  redisServer: string;
  /** Directory of rabbitmq-server, the script and not Debian's wrapper, which insists on a system user. */
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
        ...inPath(prefix, "initdb"),
      ].find((dir) => isProgram(`${dir}/initdb`) && isProgram(`${dir}/postgres`)),
  },
  redisServer: {
    debianPackage: "redis-server",
    find: (prefix) =>
      ["redis-server", "valkey-server"]
        .flatMap((name) => [
          `${prefix}/usr/bin/${name}`,
          ...inPath(prefix, name).map((dir) => `${dir}/${name}`),
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

/** What a private server never needs: the JIT, cluster wrappers, init glue. Saves 120 MB. */
const LEFT_OUT =
  /^(libllvm|libz3|perl|libperl|libgdbm|libjson-perl|ssl-cert|ucf|adduser|logrotate|cron|netbase|sysvinit|init-system|lsb-base|debconf|openssl$|postgresql-common|postgresql-client-common|postgresql$|postgresql-contrib|sensible|iproute2|locales|libc-l10n)/;

const STAMP = "complete";

/**
 * Finds the servers' programs, unpacking Debian's packages into `dir` when some are missing.
 * @throws Trouble when they are neither here nor to be had
 */
export async function toolchain(dir: string, say: (line: string) => void): Promise<Toolchain> {
  const found = findAll(dir);
  if (!("missing" in found)) return found;
  const release = await acquireLock(`${dir}.lock`, { onHeld: () => null }); // another start unpacks the same: wait
  try {
    if ("missing" in findAll(dir)) await unpack(dir, found.missing, say);
  } finally {
    release();
  }
  const then = findAll(dir);
  if (!("missing" in then)) return then;
  throw new Trouble(
    `Debian's packages do not hold ${then.missing.join(", ")}: install them, or use "docker compose up".`,
  );
}

function findAll(dir: string): Toolchain | { missing: string[] } {
  const root = path.join(dir, "root");
  const whole = fs.existsSync(path.join(dir, STAMP)); // what a half-finished unpacking left does not count
  const paths: Partial<Toolchain> = {};
  const missing = new Set<string>();
  for (const [name, part] of Object.entries(PARTS) as [keyof typeof PARTS, Part][]) {
    const place = part.find("") ?? (whole ? part.find(root) : undefined);
    if (place) paths[name] = place;
    else missing.add(part.debianPackage);
  }
  if (missing.size > 0) return { missing: [...missing] };
  return { ...(paths as Toolchain), libraries: whole ? libraries(root) : "" };
}

async function unpack(dir: string, packages: string[], say: (line: string) => void): Promise<void> {
  for (const tool of ["apt-get", "dpkg-deb"]) {
    if (inPath("", tool).length === 0) {
      throw new Trouble(
        `${packages.join(", ")} not found, and this is no Debian to get them from: install them, use "docker compose up", or give DATABASE_URL, REDIS_URL and AMQP_URL.`,
      );
    }
  }
  const partial = `${dir}.partial`;
  fs.rmSync(partial, { recursive: true, force: true });
  fs.rmSync(dir, { recursive: true, force: true });
  const root = path.join(partial, "root");
  for (const sub of ["apt/state/lists/partial", "apt/cache/archives/partial", "apt/log", "root"]) {
    fs.mkdirSync(path.join(partial, sub), { recursive: true });
  }
  const apt = aptOptions(path.join(partial, "apt"));
  const archives = path.join(partial, "apt/cache/archives");
  const names = await step(say, `finding Debian packages of ${packages.join(", ")}`, async () => {
    await run("apt-get", [...apt, "-qq", "update"]).catch(() => {}); // one unreachable extra source must not stop us
    return closure(apt, packages);
  });
  await step(
    say,
    `downloading ${names.length} packages (unpacked beside the data, nothing is installed)`,
    () => run("apt-get", [...apt, "-qq", "download", ...names], { cwd: archives }),
  );
  await step(say, "unpacking them", async () => {
    for (const file of fs.readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
      await run("dpkg-deb", ["-x", path.join(archives, file), root]);
    }
  });
  relocateErlang(root, path.join(dir, "root"));
  fs.rmSync(path.join(partial, "apt"), { recursive: true, force: true });
  fs.writeFileSync(path.join(partial, STAMP), new Date().toISOString());
  for (const passable of [partial, root]) fs.chmodSync(passable, 0o755);
  fs.renameSync(partial, dir);
}

/** apt with a state of its own: no root needed, no lock shared with the system's apt. */
function aptOptions(dir: string): string[] {
  const settings = {
    "Dir::State": `${dir}/state`,
    "Dir::State::status": "/var/lib/dpkg/status",
    "Dir::Cache": `${dir}/cache`,
    "Dir::Log": `${dir}/log`,
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::http::Timeout": "20",
    "Acquire::Retries": "3",
    "Debug::NoLocking": "1",
  };
  return [...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]), "-y"];
}

async function closure(apt: string[], packages: string[]): Promise<string[]> {
  const plan = await run("apt-get", [...apt, "install", "-s", "--no-install-recommends", ...packages]);
  const names = [...plan.matchAll(/^Inst (\S+) /gm)].flatMap((match) => match[1] ?? []);
  return names.filter((name) => !LEFT_OUT.test(name));
}

/** erl names its own place; everything else of Erlang finds itself from there. */
function relocateErlang(root: string, finalRoot: string): void {
  const erl = path.join(root, "usr/lib/erlang/bin/erl");
  if (!fs.existsSync(erl)) return;
  const text = fs.readFileSync(erl, "utf8");
  fs.writeFileSync(erl, text.replaceAll("ROOTDIR=/usr/lib/erlang", `ROOTDIR=${finalRoot}/usr/lib/erlang`));
}

function run(program: string, args: string[], o: SpawnSyncOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: o.cwd,
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let words = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      words = (words + chunk).slice(-4_000);
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(out) : reject(aptTrouble(words))));
  });
}

function aptTrouble(words: string): Trouble {
  if (/No space left|not enough free space/i.test(words)) {
    return new Trouble("The disk is full: free some space and run the same command again; nothing was lost.");
  }
  const reason = words.split("\n").find((line) => /^E:|error/i.test(line)) ?? "no reason given";
  return new Trouble(
    `Debian's packages could not be had (${reason.slice(0, 200)}): check the network and /etc/apt/sources.list, or use "docker compose up".`,
  );
}

function libraries(root: string): string {
  const dirs = [...newest(`${root}/usr/lib`, /-linux-gnu$/), ...newest(`${root}/lib`, /-linux-gnu$/)];
  return dirs.flatMap((dir) => [dir, ...newest(dir, /^(systemd|pulseaudio)$/)]).join(":");
}

function newest(dir: string, pattern: RegExp): string[] {
  const names = fs.existsSync(dir) ? fs.readdirSync(dir).filter((name) => pattern.test(name)) : [];
  return names
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .map((name) => path.join(dir, name));
}

/** Directories of PATH that hold the program; only for the machine's own, not for what was unpacked. */
function inPath(prefix: string, program: string): string[] {
  if (prefix) return [];
  const dirs = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/bin"];
  return dirs.filter((dir) => dir && isProgram(path.join(dir, program)));
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The environment of a server program: nothing of ours, and the unpacked libraries. */
export function serverEnv(tools: Toolchain, extra: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: `${tools.erlang}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    ...(tools.libraries ? { LD_LIBRARY_PATH: tools.libraries } : {}),
    ...extra,
  };
}

/** Runs a server's own tool to its end, as the server's user. */
export function runTool(command: string, args: string[], o: SpawnSyncOptions): void {
  const done = spawnSync(command, args, { ...o, encoding: "utf8" });
  if (done.status === 0) return;
  const words = `${done.stderr ?? ""}${done.error?.message ?? ""}`.trim();
  if (/No space left/.test(words))
    throw new Trouble("The disk is full: free some space and run the same command again; nothing was lost.");
  throw new Trouble(
    `${path.basename(command)} failed: ${words.slice(-400) || done.signal || "no reason given"}.`,
  );
}
