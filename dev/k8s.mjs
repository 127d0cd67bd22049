// npm run k8s -- <overlay>: whether an overlay of deploy/k8s may be given to a cluster.
import { command, handOver } from "./lib/cli.mjs";
import { checkNode, ensurePackages } from "./lib/prepare.mjs";

const HELP = `npm run k8s -- <overlay>

Renders an overlay (deploy/k8s/overlays/production, or your copy of it) with kubectl, asks no
cluster, and says what is wrong with it: names of names.env that are still to be replaced, and with
what; fields and values that Kubernetes or an operator would refuse; settings that programs do not
read, refuse or miss; secrets that nothing makes; arrows that are missing or too many; limits,
probes and privileges. Exit code 0: nothing; 1: something.

The first time it installs what it checks with, from npm (30 MB).`;

await command(HELP, async (args) => {
  checkNode();
  await ensurePackages(console.log);
  return handOver("deploy/check/overlay.ts", args);
});
