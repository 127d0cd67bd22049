// Debian's packages, unpacked and not installed: no root needed, nothing outside the directory
// changes.
import fs from "node:fs";
import path from "node:path";
import { acquireLock } from "../lib/lock.mjs";
import { run } from "../lib/run.mjs";
import { step, Trouble } from "../lib/words.mjs";
import { inPath, newest } from "./find.ts";

/** What else can be done where servers cannot be had. */
const SERVERS_ELSE = 'install them, use "docker compose up", or give DATABASE_URL, REDIS_URL and AMQP_URL';

/** Of what a package of a server depends on. */
export const isNeededByServers = (name: string): boolean => !LEFT_OUT.test(name);

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
 * With `release` they are of that release of Debian, as on an empty machine: a newer one's programs
 * need its own C library (`loaderOf`).
 */
export async function unpackDebian(
  dir: string,
  packages: string[],
  say: (line: string) => void,
  signal: AbortSignal,
  otherwise = SERVERS_ELSE,
  isNeeded = isNeededByServers,
  release?: string,
): Promise<void> {
  const partial = `${dir}.partial`;
  fs.rmSync(partial, { recursive: true, force: true });
  fs.rmSync(dir, { recursive: true, force: true });
  const archives = await downloadDebian({
    work: path.join(partial, "apt"),
    packages,
    say,
    signal,
    otherwise,
    isNeeded,
    release,
  });
  await step(say, "unpacking them", () => unpackArchives(dir, archives, signal));
}

export interface Download {
  /** For apt's state and what it fetches. */
  readonly work: string;
  readonly packages: string[];
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  /** Packages that are not fetched; by default those that are installed here. */
  readonly installed?: string;
  readonly otherwise?: string;
  readonly isNeeded?: (name: string) => boolean;
  readonly release?: string | undefined;
}

/** Fetches the packages and what they need. Gives the folder in which they are then. */
export async function downloadDebian(o: Download): Promise<string> {
  for (const tool of ["apt-get", "dpkg-deb"]) {
    if (inPath(tool).length === 0) {
      throw new Trouble(
        `${o.packages.join(", ")} not found, and this is no Debian to get them from: ${o.otherwise ?? SERVERS_ELSE}.`,
      );
    }
  }
  for (const sub of ["state/lists/partial", "cache/archives/partial", "log"])
    fs.mkdirSync(path.join(o.work, sub), { recursive: true });
  const apt = aptOptions(o.work, o.installed ?? "/var/lib/dpkg/status");
  if (o.release) apt.push(...(await ofRelease(o.work, o.release, o.signal)));
  const archives = path.join(o.work, "cache/archives");
  const isNeeded = o.isNeeded ?? isNeededByServers;
  const names = await step(o.say, `finding Debian packages of ${o.packages.join(", ")}`, async () => {
    // One unreachable extra source must not stop us.
    await ran(o.signal, "apt-get", [...apt, "-qq", "update"]).catch(() => {});
    return (await closure(o.signal, apt, o.packages)).filter(isNeeded);
  });
  await step(
    o.say,
    `downloading ${names.length} packages (unpacked beside the data, nothing is installed)`,
    () => ran(o.signal, "apt-get", [...apt, "-qq", "download", ...names], archives),
  );
  return archives;
}

/** Unpacks every package of a folder to <dir>/root, as findOrUnpack wants to find them. */
export async function unpackArchives(dir: string, archives: string, signal: AbortSignal): Promise<void> {
  const partial = `${dir}.partial`;
  const root = path.join(partial, "root");
  fs.mkdirSync(root, { recursive: true });
  for (const file of fs.readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    await ran(signal, "dpkg-deb", ["-x", path.join(archives, file), root]);
  }
  relocateErlang(root, path.join(dir, "root"));
  fs.rmSync(path.join(partial, "apt"), { recursive: true, force: true });
  fs.writeFileSync(path.join(partial, STAMP), new Date().toISOString());
  for (const passable of [partial, root]) fs.chmodSync(passable, 0o755);
  fs.renameSync(partial, dir);
}

/** apt with a state of its own: no root needed, no lock shared with the system's apt. */
function aptOptions(dir: string, status: string): string[] {
  const settings = {
    "Dir::State": `${dir}/state`,
    "Dir::State::status": status,
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

/** apt's settings for another release, from where this machine has its own. */
async function ofRelease(dir: string, release: string, signal: AbortSignal): Promise<string[]> {
  const args = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
  const uri = (await ran(signal, "apt-get", args)).split("\n").find((line) => /\/debian\/?$/.test(line));
  if (!uri) throw new Trouble("This machine's apt knows no archive of Debian: add one to its sources.");
  const options = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
  fs.writeFileSync(path.join(dir, "release.list"), `deb ${options} ${uri} ${release} main\n`);
  fs.writeFileSync(path.join(dir, "nothing"), "");
  const settings = [`Dir::Etc::sourcelist=${dir}/release.list`, "Dir::Etc::sourceparts=/dev/null"];
  return [...settings, `Dir::State::status=${dir}/nothing`].flatMap((setting) => ["-o", setting]);
}

/** How to start a program of another release that was unpacked to `root`: the words before it. */
export function loaderOf(root: string): [command: string, ...args: string[]] {
  const libraries = newest(`${root}/usr/lib`, /-linux-gnu$/);
  const [loader = ""] = libraries.flatMap((dir) => newest(dir, /^ld-linux.*\.so/));
  return [loader, "--library-path", libraries.join(":")];
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
