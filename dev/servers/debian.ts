// Debian's packages, unpacked and not installed: no root needed, nothing outside the directory
// changes.
import fs from "node:fs";
import path from "node:path";
import { acquireLock } from "../lib/lock.mjs";
import { run } from "../lib/run.mjs";
import { step, Trouble } from "../lib/words.mjs";
import { inPath } from "./find.ts";

/** What else can be done where servers cannot be had. */
const SERVERS_ELSE = 'install them, use "docker compose up", or give DATABASE_URL, REDIS_URL and AMQP_URL';

/** In a toolchain that was unpacked to its end. */
export const STAMP = "complete";

/** What a private server never needs: the JIT, cluster wrappers, init glue. Saves 120 MB. */
const LEFT_OUT =
  /^(libllvm|libz3|perl|libperl|libgdbm|libjson-perl|ssl-cert|ucf|adduser|logrotate|cron|netbase|sysvinit|init-system|lsb-base|debconf|openssl$|postgresql-common|postgresql-client-common|postgresql$|postgresql-contrib|sensible|iproute2|locales|libc-l10n)/;

/**
 * What `find` finds on this machine, or after the packages were unpacked into `dir`, which only one
 * run does at a time.
 */
export async function findOrUnpack<T>(
  dir: string,
  find: () => T | undefined,
  unpack: () => Promise<void>,
): Promise<T | undefined> {
  const found = find();
  if (found) return found;
  // Another run unpacks the same: wait.
  const release = await acquireLock(`${dir}.lock`, { onHeld: () => null });
  try {
    if (!find()) await unpack();
  } finally {
    release();
  }
  return find();
}

/**
 * Fetches packages and what they need, and unpacks them to <dir>/root. Beside first, then one
 * rename: what an interrupted run leaves is never taken for a whole toolchain. `otherwise` says
 * what to do when they cannot be had; `isNeeded` picks of what they depend on, and of themselves.
 */
export async function unpackDebian(
  dir: string,
  packages: string[],
  say: (line: string) => void,
  signal: AbortSignal,
  otherwise = SERVERS_ELSE,
  isNeeded: (name: string) => boolean = (name) => !LEFT_OUT.test(name),
): Promise<void> {
  for (const tool of ["apt-get", "dpkg-deb"]) {
    if (inPath(tool).length === 0) {
      throw new Trouble(
        `${packages.join(", ")} not found, and this is no Debian to get them from: ${otherwise}.`,
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
    // One unreachable extra source must not stop us.
    await ran(signal, "apt-get", [...apt, "-qq", "update"]).catch(() => {});
    return (await closure(signal, apt, packages)).filter(isNeeded);
  });
  await step(
    say,
    `downloading ${names.length} packages (unpacked beside the data, nothing is installed)`,
    () => ran(signal, "apt-get", [...apt, "-qq", "download", ...names], archives),
  );
  await step(say, "unpacking them", async () => {
    for (const file of fs.readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
      await ran(signal, "dpkg-deb", ["-x", path.join(archives, file), root]);
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

async function closure(signal: AbortSignal, apt: string[], packages: string[]): Promise<string[]> {
  const plan = await ran(signal, "apt-get", [
    ...apt,
    "install",
    "-s",
    "--no-install-recommends",
    ...packages,
  ]);
  return [...plan.matchAll(/^Inst (\S+) /gm)].flatMap((match) => match[1] ?? []);
}

/** erl names its own place; everything else of Erlang finds itself from there. */
function relocateErlang(root: string, finalRoot: string): void {
  const erl = path.join(root, "usr/lib/erlang/bin/erl");
  if (!fs.existsSync(erl)) return;
  const text = fs.readFileSync(erl, "utf8");
  fs.writeFileSync(erl, text.replaceAll("ROOTDIR=/usr/lib/erlang", `ROOTDIR=${finalRoot}/usr/lib/erlang`));
}

async function ran(signal: AbortSignal, program: string, args: string[], cwd = "/"): Promise<string> {
  const { code, out, words } = await run(program, args, {
    cwd,
    signal,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (code === 0) return out;
  throw aptTrouble(words);
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
