// Runs under Node 24: makes what operators get of a version, or says what stands in the way.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { dataDir, root } from "../lib/paths.mjs";
import { sentenceFor, step, Trouble, troubleOf } from "../lib/words.mjs";
import { buildRelease, CONTENTS } from "./artifacts.ts";
import { releaseBlocks, type Standing } from "./conditions.ts";
import { git } from "./git.ts";
import { signingKey } from "./provenance.ts";
import { releaseFaults } from "./verify.mjs";

const say = (line: string) => console.log(line);

async function standing(): Promise<Standing> {
  const commit = await git(["rev-parse", "HEAD"]);
  if (!commit)
    throw new Trouble("There is no git history here: a release is made in a clone of the repository.");
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
    version: string;
  };
  const refs =
    (await git(["for-each-ref", "refs/tags/v*", "--format=%(refname:short) %(*objectname) %(objectname)"])) ??
    "";
  const tags = refs.split("\n").filter((line) => /^v\d+\.\d+\.\d+ /.test(line));
  return {
    ...{ version, commit },
    branch: await git(["symbolic-ref", "--short", "--quiet", "HEAD"]),
    changed: ((await git(["status", "--porcelain"])) ?? "")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.slice(3)),
    tags: new Map(tags.map((line) => line.split(/ +/) as [string, string])),
    changelog: fs.readFileSync(path.join(root, "CHANGELOG.md"), "utf8"),
  };
}

const { values: options } = parseArgs({
  options: {
    build: { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
    rehearse: { type: "boolean", default: false },
    key: { type: "string" },
    out: { type: "string" },
  },
});

try {
  const now = await standing();
  const blocks = releaseBlocks(now);
  const out = path.resolve(
    options.out ?? path.join(dataDir(path.join(root, ".data")), "release", `v${now.version}`),
  );
  const isReal = options.build && !options["dry-run"];
  if (!isReal) {
    say(`A release of ${now.version} (${now.commit.slice(0, 12)}) would be in ${out}:`);
    for (const [name, what] of CONTENTS)
      say(`  ${name.replace("<version>", now.version).padEnd(36)} ${what}`);
  }
  if (now.changed.length > 0 || (blocks.length > 0 && !options.rehearse)) throw troubleOf(blocks);
  if (blocks.length > 0) say(`It could not be released:\n  ${blocks.join("\n  ")}`);
  if (isReal) {
    if (fs.existsSync(out))
      throw new Trouble(`${out} is there already: take it away, or say --out <folder>.`);
    const key = options.key ? signingKey(options.key) : null;
    const { notes } = await buildRelease({ ...now, out, key, isRehearsal: blocks.length > 0, say });
    const publicKey = key
      ? (await import("node:crypto")).createPublicKey(key).export({ type: "spki", format: "pem" }).toString()
      : undefined;
    const faults = await step(say, "verifying it", () =>
      releaseFaults(out, { publicKey, isUnsignedFine: !key }),
    );
    if (faults.length > 0) throw troubleOf(faults);
    for (const note of notes) say(`  note: ${note}`);
    say(key ? "  signed" : "  NOT signed: nobody who takes it can tell who made it (--key <file> signs)");
    say(`release: made, ${out}`);
    if (blocks.length === 0)
      say(`  git tag --annotate v${now.version} && git push origin v${now.version} makes it known`);
  } else say("release: nothing stands in the way (dry run; -- --build makes it)");
} catch (error) {
  console.error(`medvault: ${sentenceFor(error) ?? (error as Error).stack}`);
  process.exitCode = 1;
}
process.disconnect?.();
