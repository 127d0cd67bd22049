import net from "node:net";

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
 * What the gateway says of every part behind it; null when it does not answer.
 * @param {string} gateway its URL
 * @returns {Promise<{status?: string, checks?: Record<string, string>} | null>}
 */
export async function readyz(gateway) {
  try {
    const answer = await fetch(`${gateway}/readyz`, { signal: AbortSignal.timeout(3_000) });
    return /** @type {{status?: string}} */ (await answer.json());
  } catch {
    return null;
  }
}
