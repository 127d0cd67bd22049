import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import helmet from "helmet";

type Headers = readonly (readonly [name: string, value: string])[];

const PERMISSIONS_POLICY =
  "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()";

/** On every answer. Helmet's never change and are computed once: per request cost too much. */
export const SECURITY_HEADERS: Headers = [
  ["Permissions-Policy", PERMISSIONS_POLICY],
  ["Cache-Control", "no-store"], // a route may set its own
  ...headersOf(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          frameAncestors: ["'none'"],
          baseUri: ["'none'"],
          formAction: ["'none'"],
        },
      },
      frameguard: { action: "deny" },
      referrerPolicy: { policy: "strict-origin-when-cross-origin" },
      strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true },
    }),
  ),
];

/**
 * On answers to the gateway, which puts all of the above on each of its own whatever a service
 * says: to write and read a dozen more twice a request was a tenth of what the gateway cost.
 */
export const INNER_HEADERS: Headers = SECURITY_HEADERS.filter(([name]) =>
  /^(cache-control|x-content-type-options)$/i.test(name),
);

export function setHeaders(res: ServerResponse, headers: Headers): void {
  for (const [name, value] of headers) res.setHeader(name, value);
}

function headersOf(handler: ReturnType<typeof helmet>): [string, string][] {
  const asked = new IncomingMessage(new Socket());
  const answer = new ServerResponse(asked);
  handler(asked, answer, (fault) => {
    if (fault) throw fault;
  });
  return Object.entries(answer.getHeaders()).map(([name, value]) => [name, String(value)]);
}
