import net from "node:net";
import { provenAnswer } from "./proof.mjs";
import { Trouble } from "./words.mjs";

/**
 * Why a port cannot be listened on, or null when it can.
 * @param {number} port
 * @param {string} [host]
 * @returns {Promise<string | null>} EADDRINUSE, EACCES, ...
 */
export function portTrouble(port, host = "127.0.0.1") {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once("error", (error) => resolve(/** @type {NodeJS.ErrnoException} */ (error).code ?? "unknown"));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(null)));
  });
}

/**
 * What our gateway says of every part behind it; null when it does not answer, or a stranger does.
 * @param {string} gateway its URL
 * @param {string} key by which it proves that it is ours
 * @returns {Promise<{status?: string, checks?: Record<string, string>} | null>}
 */
export async function readyz(gateway, key) {
  try {
    return (await (await provenAnswer(`${gateway}/readyz`, key))?.json()) ?? null;
  } catch {
    return null;
  }
}

/** @typedef {{data: string, pid: number}} PortHolder  a MedVault that has a port, or is about to */

/**
 * As a name in the kernel alone (Linux): it is there for all users, and gone with its process.
 * @param {number} port
 */
const claimName = (port) => `\0medvault-gateway-${port}`;

/**
 * The MedVault that has the port claimed, from the begin of its start on; null for none.
 * @param {number} port
 * @returns {Promise<PortHolder | null>}
 */
export function portHolder(port) {
  return new Promise((resolve) => {
    let said = "";
    const socket = net.connect(claimName(port));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on("data", (part) => {
      said += part;
    });
    socket.on("error", () => {}); // nobody, or no Linux
    socket.on("close", () => {
      try {
        const { data, pid } = JSON.parse(said);
        resolve({ data: String(data), pid: Number(pid) });
      } catch {
        resolve(null);
      }
    });
  });
}

/**
 * Claims the gateway's port for a data directory, long before the gateway listens there.
 * @param {number} port
 * @param {string} data
 * @returns {Promise<() => void>} gives it back
 * @throws Trouble that names the data directory that has it
 */
export async function claimGatewayPort(port, data) {
  if (process.platform !== "linux") return () => {};
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.end(JSON.stringify({ data, pid: process.pid }));
  });
  server.unref();
  const isOurs = await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(claimName(port), () => resolve(true));
  });
  if (!isOurs) throw portTaken(port, await portHolder(port));
  return () => void server.close();
}

/**
 * @param {number} port
 * @param {PortHolder | null} holder
 */
export function portTaken(port, holder) {
  const another = `choose another port, as in MEDVAULT_PORT=${port === 8080 ? 8081 : 8080} npm start`;
  return new Trouble(
    holder
      ? `Port ${port} belongs to the MedVault of ${holder.data} (process ${holder.pid}): stop it with MEDVAULT_DATA=${holder.data} npm stop, or ${another}.`
      : `Port ${port} is taken by another program: stop that, or ${another}.`,
  );
}
