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
