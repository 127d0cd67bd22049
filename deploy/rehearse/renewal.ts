// A new authority and new certificates for every part, by files alone, as cert-manager replaces them.
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { podman } from "../../dev/image/podman.ts";
import type { RunningPod } from "./kubelet.ts";
import { must } from "./replicas.ts";
import type { World } from "./world.ts";

/** Nodes look at different times; services look at their files every 10 s. */
const NODE_LATER_MS = 300;
const TAKEN_UP_WITHIN_MS = 60_000;
/** The gateway's connections to services are renewed within 60 s. */
const CONNECTIONS_RENEWED_MS = 65_000;

/** What an operator does where a server does not look at its files by itself. */
const RELOADS: Readonly<Record<string, (name: string, pod: RunningPod) => Promise<unknown>>> = {
  postgres: async (_name, { pid }) => process.kill(pid, "SIGHUP"),
  redis: (name) =>
    podman(
      "exec",
      name,
      ...["sh", "-c"],
      'REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /run/medvault/redis.conf) redis-cli -e -s /tmp/redis.sock config set tls-cert-file /run/medvault/cert.pem tls-key-file /run/medvault/key.pem tls-ca-cert-file /run/medvault/ca.pem',
    ),
  rabbitmq: (name) => podman("exec", name, "rabbitmqctl", "eval", "ssl:clear_pem_cache()."),
};

export async function renewAll(world: World, say: (line: string) => void): Promise<void> {
  const { authority } = world;
  const before = await serials(world);
  const signByNext = await authority.announceNext();
  await spread(world);
  await sleep(12_000); // all have looked at it
  say("  every part trusts the next authority as well");
  signByNext();
  const issued = await authority.issueAll();
  await spread(world);
  await untilServed(world, new Set(issued.values()));
  const after = await serials(world);
  for (const [name, serial] of after)
    must(serial !== before.get(name), `${name} still serves its former certificate`);
  say(`  ${after.size} listeners serve new certificates, by their serials`);
  authority.forgetFormer();
  await spread(world);
  await sleep(CONNECTIONS_RENEWED_MS);
  say("  the former authority is trusted by none, and the connections between services are new ones");
}

async function spread(world: World): Promise<void> {
  for (const pod of world.node.pods) {
    world.volumes.refresh(pod.name);
    await sleep(NODE_LATER_MS);
  }
  for (const pod of world.node.pods) await RELOADS[pod.owner]?.(world.node.containerOf(pod), pod);
}

async function untilServed(world: World, serials: ReadonlySet<string>): Promise<void> {
  for (const end = Date.now() + TAKEN_UP_WITHIN_MS; ; await sleep(500)) {
    const served = await listenersOf(world);
    const old = [...served].filter(([, serial]) => !serials.has(serial)).map(([name]) => name);
    if (old.length === 0) return;
    must(Date.now() < end, `${old.join()} did not take up its new certificate`);
  }
}

const serials = (world: World) => listenersOf(world);

/** The serial of what each listener of each pod shows. */
async function listenersOf(world: World): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const pod of world.node.pods) {
    const [container] = pod.spec.containers;
    for (const { containerPort: port } of (container?.ports ?? []) as { containerPort: number }[])
      found.set(`${pod.name}:${port}`, await serialOf(pod.address, port, pod.owner === "postgres"));
  }
  return found;
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Of the certificate alone: who asks has none of its own, and is sent away after that. */
async function serialOf(host: string, port: number, isPostgres: boolean): Promise<string> {
  const plain = net.connect({ host, port });
  plain.on("error", () => {});
  if (isPostgres) {
    plain.write(SSL_REQUEST);
    await new Promise((resolve) => plain.once("data", resolve));
  }
  return new Promise((resolve) => {
    const socket = tls.connect({ socket: plain, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber ?? "");
      socket.destroy();
    });
    socket.on("error", () => resolve("")); // looked at again
  });
}
