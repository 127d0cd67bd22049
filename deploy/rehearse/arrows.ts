// NetworkPolicies beside the connections that were made.
import fs from "node:fs";
import { Agent, request } from "undici";
import { cronTemplates } from "./cluster.ts";
import { Clinic, must } from "./replicas.ts";
import type { World } from "./world.ts";

/** Arrows that a cluster needs and this rehearsal does not. */
const NOT_PLAYED: Readonly<Record<string, string>> = {
  "dns: to kube-system, TCP 53": "answers too long for UDP, of which there are none here",
  "mail: to 0.0.0.0/0, TCP 587": "a mail server that begins without TLS; here it is on port 465",
};

export async function arrowsAreThoseUsed(world: World, opsFile: string): Promise<string[]> {
  await readMetrics(world);
  await askForKnownPeople(world, opsFile);
  for (const [name, template] of cronTemplates(world.manifests)) await world.node.runJob(name, template);
  const { refused, all } = world.policies;
  must(refused.length === 0, `no arrow allows ${refused.join(", ")}`);
  must(world.strays.size === 0, `pods called past their Services: ${[...world.strays].join(", ")}`);
  const unused = world.policies.unused.filter((text) => !(text in NOT_PLAYED));
  must(unused.length === 0, `nothing took these arrows: ${unused.join("; ")}`);
  const missing = Object.keys(NOT_PLAYED).filter((text) => all.includes(text));
  return [
    `${all.length} arrows of the NetworkPolicies were kept: no connection was refused, and each arrow was taken, but for ${missing.length}:`,
    ...missing.map((text) => `  ${text}: ${NOT_PLAYED[text]}`),
  ];
}

/** Only a patient who looks into the directory makes auth ask records and audit. */
async function askForKnownPeople(world: World, opsFile: string): Promise<void> {
  const clinic = await new Clinic(world, opsFile).open();
  const { status } = await (await clinic.registerPatient()).get("/v1/directory");
  must(status === 200, `a patient who looks into the directory gets ${status}`);
  clinic.close();
}

/** As Prometheus does it, from its namespace. */
async function readMetrics(world: World): Promise<void> {
  const agent = new Agent({ connect: { rejectUnauthorized: false }, localAddress: world.monitoring });
  for (const name of ["gateway", "auth", "records", "files", "audit", "backup"]) {
    const url = `https://${world.network.addresses.get(name)}:9090/metrics`;
    const { statusCode, body } = await request(url, { dispatcher: agent });
    must(statusCode === 200 && (await body.text()).includes("process_cpu"), `${name} shows no metrics`);
  }
  await agent.destroy();
}

/** Whom a process has called, by its own table of connections: `address:port`. */
export function calledBy(pid: number, listening: ReadonlySet<number>): string[] {
  let table: string;
  try {
    table = fs.readFileSync(`/proc/${pid}/net/tcp`, "utf8");
  } catch {
    return []; // it has ended
  }
  return table
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", remote = ""]) => !listening.has(portIn(local)) && portIn(remote) !== 0)
    .map(([, , remote = ""]) => `${addressIn(remote)}:${portIn(remote)}`);
}

const portIn = (end: string): number => Number.parseInt(end.split(":")[1] ?? "0", 16);
const addressIn = (end: string): string =>
  (end.slice(0, 8).match(/../g) ?? [])
    .map((byte) => Number.parseInt(byte, 16))
    .reverse()
    .join(".");
