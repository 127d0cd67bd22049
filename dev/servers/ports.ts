// Internal ports: one block per MedVault, so that several run on one machine.
import net from "node:net";
import path from "node:path";
import { readJson } from "../lib/json.mjs";
import { portTrouble } from "../lib/ports.mjs";
import { Trouble } from "../lib/words.mjs";
import { privateFile } from "./files.ts";
import { SERVICES } from "./secrets.ts";

/** Below Linux' ephemeral ports (32768), above what is registered by others nearby. */
const FIRST_BASE = 28_400;
const BLOCK = 40;
const BLOCKS = 60;
const NAMES = [
  ...(["postgres", "redis", "amqp", "management", "erlang", "epmd", "gatewayAdmin"] as const),
  ...SERVICES.filter((name) => name !== "gateway").flatMap((name) => [name, `${name}Admin`] as const),
];
type PortName = (typeof NAMES)[number];

export type Ports = Record<PortName, number> & { base: number };
export interface ClaimedPorts {
  ports: Ports;
  release: () => void;
}

function layout(base: number): Ports {
  return Object.assign({ base }, Object.fromEntries(NAMES.map((name, at) => [name, base + at]))) as Ports;
}

/**
 * Chooses a block whose ports are all free and keeps it claimed: the block's last port is listened
 * on until release, which two starting at once cannot both do. The block is remembered, so that
 * ports stay the same from run to run.
 * @param askedBase MEDVAULT_BASE_PORT; then no other block is tried
 * @param gatewayPort in no block, since nobody listens there yet
 */
export async function claimPorts(
  data: string,
  askedBase: string | undefined,
  gatewayPort = 0,
): Promise<ClaimedPorts> {
  const memory = path.join(data, "ports.json");
  for (const base of candidates(askedBase, (readJson(memory) as { base: number } | null)?.base)) {
    if (gatewayPort >= base && gatewayPort < base + BLOCK) continue;
    const claim = await listen(base + BLOCK - 1);
    if (!claim) continue;
    const ports = layout(base);
    const taken = await firstTaken(ports);
    if (taken === null) {
      privateFile(memory, JSON.stringify({ base }));
      return { ports, release: () => claim.close() };
    }
    claim.close();
  }
  throw new Trouble(
    askedBase
      ? baseTaken(askedBase)
      : `No ${BLOCK} free ports were found from ${FIRST_BASE} on: set MEDVAULT_BASE_PORT to the first of ${BLOCK} free ones.`,
  );
}

const baseTaken = (base: string) =>
  `A port from ${base} to ${Number(base) + BLOCK - 1} is taken by another program, or the gateway's: choose another MEDVAULT_BASE_PORT, or leave it out.`;

/** What is wrong with MEDVAULT_BASE_PORT now; null for nothing. */
export async function baseFault(askedBase: string, gatewayPort: number): Promise<string | null> {
  const base = Number(askedBase);
  const isFree = (await firstTaken(layout(base))) === null && (await portTrouble(base + BLOCK - 1)) === null;
  return isFree && !(gatewayPort >= base && gatewayPort < base + BLOCK) ? null : baseTaken(askedBase);
}

function candidates(asked: string | undefined, remembered: number | undefined): number[] {
  if (asked !== undefined) return [Number(asked)];
  const blocks = Array.from({ length: BLOCKS }, (_, at) => FIRST_BASE + at * BLOCK);
  return remembered === undefined ? blocks : [remembered, ...blocks];
}

function listen(port: number): Promise<net.Server | null> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once("error", () => resolve(null));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
  });
}

async function firstTaken(ports: Ports): Promise<number | null> {
  for (const name of NAMES) if (await portTrouble(ports[name])) return ports[name];
  return null;
}
