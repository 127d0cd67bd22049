// Runs under Node 24: the pods of the rendered manifests on podman, and what has to hold of them.
import fs from "node:fs";
import path from "node:path";
import { root } from "../../dev/lib/paths.mjs";
import { sentenceFor, step, Trouble } from "../../dev/lib/words.mjs";
import { arrowsAreThoseUsed } from "./arrows.ts";
import { playedBy, prepareImages } from "./images.ts";
import { journey, writeOps } from "./journey.ts";
import { underLoad } from "./load.ts";
import { renewAll } from "./renewal.ts";
import { replicasAreOne } from "./replicas.ts";
import { restartAll } from "./rollout.ts";
import { World } from "./world.ts";

const say = (line: string) => console.log(line);

interface Part {
  title: string;
  run: (world: World, opsFile: string) => Promise<string[]>;
}
/** In this order, whichever are asked for. */
const PARTS: Record<string, Part> = {
  journey: {
    title: "the journey, through the gateway's Service",
    run: async (world, opsFile) => {
      await journey(world, opsFile);
      return [];
    },
  },
  replicas: { title: "limits, sessions, lockouts, keys and the log are one", run: replicasAreOne },
  restart: {
    title: "every pod is replaced, under load",
    run: (world, opsFile) => underLoad(world, opsFile, () => restartAll(world, say)),
  },
  renewal: {
    title: "every certificate and their authority are replaced, under load",
    run: (world, opsFile) => underLoad(world, opsFile, () => renewAll(world, say)),
  },
  arrows: { title: "NetworkPolicies beside the connections that were made", run: arrowsAreThoseUsed },
};

const args = process.argv.slice(2);
const failed: string[] = [];
const asked = args.filter((arg) => !arg.startsWith("--"));
const unknown = asked.filter((part) => !(part in PARTS));

try {
  if (unknown.length > 0)
    throw new Trouble(`${unknown.join()} is no part: choose of ${Object.keys(PARTS).join(", ")}.`);
  await step(say, "the image", () => prepareImages(args.includes("--built")));
  const work = path.join(root, ".data/rehearsal");
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true, mode: 0o700 });
  const world = new World(work, playedBy);
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void world.end().finally(() => process.exit(130)));
  try {
    await step(say, "names, Services, certificates", () => world.begin());
    await step(say, "Postgres, Redis, RabbitMQ", () => world.startServers());
    const said = await step(say, "the job setup: migrations, keys, the first admin", () => world.runJobs());
    await step(say, "two pods of each service, until they are ready", () => world.startServices());
    const opsFile = writeOps(world, await world.startEntry(), said.admin ?? "");
    for (const [name, { title, run }] of Object.entries(PARTS))
      if (asked.length === 0 || asked.includes(name)) {
        const found = await step(say, title, () => run(world, opsFile)).catch((error: Error) => {
          failed.push(name);
          return [`FAILED: ${sentenceFor(error) ?? error.stack}`];
        });
        for (const line of found) say(`  ${line}`);
      }
  } finally {
    await step(say, "taking it down", () => world.end());
  }
  if (failed.length > 0) throw new Trouble(`failed: ${failed.join(", ")}.`);
  say("rehearse: passed");
} catch (error) {
  console.error(`medvault: ${sentenceFor(error) ?? (error as Error).stack}`);
  process.exitCode = 1;
}
process.exit(); // connections that some client keeps are no reason to stay
