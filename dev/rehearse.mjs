// npm run rehearse: runs the pods of deploy/k8s on podman, without a cluster.
import { spawnSync } from "node:child_process";
import { command, handOver } from "./lib/cli.mjs";
import { root } from "./lib/paths.mjs";
import { checkNode, ensurePackages } from "./lib/prepare.mjs";
import { run } from "./lib/run.mjs";
import { Trouble } from "./lib/words.mjs";

const PROGRAMS = ["buildah", "podman", "runc", "mmdebstrap", "iptables", "ip"];

const HELP = `npm run rehearse -- [--built] [part …]

Runs deploy/k8s without a cluster, as root, on podman: all pods of the rendered manifests with
their images, commands, settings, files and users, two of each service. Services, names,
NetworkPolicies, probes, rolling updates and certificates are played (deploy/rehearse/README.md).

  journey    the journey of e2e, through the gateway's Service
  replicas   limits, sessions, lockouts, Idempotency-Keys and the audit log over several pods
  restart    every pod is replaced under 50 requests a second, of which none may fail
  renewal    every certificate and their authority are replaced, under the same load
  arrows     every connection was allowed, and every arrow of the NetworkPolicies was taken;
             needs the parts before it, which make the connections

Without a part: all of them, some 10 minutes. --built: the image of the last run is used again.

  apt-get install --no-install-recommends buildah podman runc mmdebstrap iptables iproute2 \\
    containernetworking-plugins conmon`;

await command(HELP, async (args) => {
  checkNode();
  const missing = PROGRAMS.filter((program) => spawnSync(program, ["-V"]).error);
  if (missing.length > 0 || process.getuid?.() !== 0) {
    const why = missing.length > 0 ? `there is no ${missing.join(", ")} here` : "it needs root";
    throw new Trouble(`nothing was run: ${why} (npm run rehearse -- --help).`);
  }
  await ensurePackages(console.log);
  const install = ["ci", "--prefix", "deploy/check", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { code, words } = await run("npm", install, { cwd: root });
  if (code !== 0) throw new Trouble(`the packages of deploy/check were not installed: ${words.trim()}.`);
  return handOver("deploy/rehearse/run.ts", args);
});
