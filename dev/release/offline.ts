// What npm start fetches from registries, in one archive: npm's packages by the lock file, and Debian's.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import { downloadDebian, isNeededByServers } from "../servers/debian.ts";

interface Locked {
  /** Where it is called otherwise than its folder. */
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/** What every Debian has, and what a program must take from its own system. */
const OF_THE_SYSTEM =
  /^(libc6|libc-bin|libcrypt1|libgcc-s1|libstdc\+\+6|gcc-\d+-base|base-files|base-passwd|bash|coreutils|dash|debianutils|dpkg|findutils|grep|sed|gzip|tar|login|passwd|mount|util-linux.*|init|systemd.*|mawk|hostname)$/;

/** Lays every package of the lock file that this kind of machine needs into `dir`, by its hash. */
export async function npmPackages(lockFile: string, dir: string): Promise<number> {
  const { packages } = JSON.parse(fs.readFileSync(lockFile, "utf8")) as { packages: Record<string, Locked> };
  const wanted = new Map(
    Object.entries(packages).flatMap(([place, one]) => {
      const name = one.name ?? place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
      return one.integrity && isForHere(one) ? [[one.integrity, `${name}@${one.version}`]] : [];
    }),
  );
  if (wanted.size === 0) throw new Error(`${lockFile} names no package`);
  fs.mkdirSync(dir, { recursive: true });
  const cache = execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim();
  for (const [integrity = "", spec = ""] of wanted) {
    const hex = hexOf(integrity);
    const kept = path.join(
      cache,
      "_cacache/content-v2/sha512",
      hex.slice(0, 2),
      hex.slice(2, 4),
      hex.slice(4),
    );
    if (!fs.existsSync(kept)) await npmCache(spec);
    const bytes = fs.readFileSync(kept);
    if (createHash("sha512").update(bytes).digest("hex") !== hex)
      throw new Trouble(`npm's cache has a damaged ${spec}: npm cache verify mends it.`);
    fs.writeFileSync(path.join(dir, `${hex.slice(0, 40)}.tgz`), bytes);
  }
  return wanted.size;
}

async function npmCache(spec: string): Promise<void> {
  const { code, words } = await run("npm", ["cache", "add", spec], { cwd: "/" });
  if (code !== 0) throw new Trouble(`npm could not get ${spec}: ${words.trim().split("\n")[0]}`);
}

const hexOf = (integrity: string) =>
  Buffer.from(/sha512-(\S+)/.exec(integrity)?.[1] ?? "", "base64").toString("hex");

function isForHere({ os, cpu, libc }: Locked): boolean {
  const fits = (wanted: readonly string[] | undefined, here: string) => !wanted || wanted.includes(here);
  return fits(os, "linux") && fits(cpu, process.arch) && fits(libc, "glibc");
}

/** Lays the packages of the servers into `dir`, for a Debian of this release with nothing installed. */
export async function debianPackages(
  dir: string,
  work: string,
  say: (line: string) => void,
): Promise<number> {
  const installed = path.join(work, "nothing-installed");
  fs.mkdirSync(work, { recursive: true });
  fs.writeFileSync(installed, "");
  const archives = await downloadDebian({
    work: path.join(work, "apt"),
    packages: ["postgresql", "redis-server", "rabbitmq-server"],
    ...{ say, installed, signal: new AbortController().signal },
    isNeeded: (name) => isNeededByServers(name) && !OF_THE_SYSTEM.test(name),
  });
  fs.mkdirSync(dir, { recursive: true });
  const files = fs.readdirSync(archives).filter((name) => name.endsWith(".deb"));
  for (const name of files)
    fs.copyFileSync(
      path.join(archives, name),
      path.join(dir, name.replaceAll("%3a", "_").replaceAll("+", "p").replaceAll("~", "-")),
    );
  return files.length;
}
