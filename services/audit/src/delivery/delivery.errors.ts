/** Nobody took it. `reason` is a code for operators: nothing of the answer, no address. */
export class DeliveryFailed extends Error {
  readonly reason: string;
  /** Trying again is of no use. */
  readonly isFinal: boolean;
  constructor(reason: string, { isFinal = false, cause }: { isFinal?: boolean; cause?: unknown } = {}) {
    super(`an alert could not be delivered: ${reason}`, { cause });
    this.name = "DeliveryFailed";
    this.reason = reason;
    this.isFinal = isFinal;
  }
}

/** The reason that an error of a connection is, as far as operators can do something about it. */
export function connectionFault(error: unknown): DeliveryFailed {
  if (error instanceof DeliveryFailed) return error;
  const { code = "" } = error as { code?: string };
  return new DeliveryFailed(reasonOf(code), { cause: error });
}

function reasonOf(code: string): string {
  if (/CERT|SIGNATURE|ISSUER|_SSL_|ALTNAME|^ERR_TLS/.test(code)) return "certificate_refused";
  if (code === "ECONNREFUSED") return "connection_refused";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "name_unknown";
  if (code === "ETIMEDOUT" || code === "ABORT_ERR") return "timeout";
  return "connection_failed";
}
