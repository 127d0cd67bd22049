import { createHash } from "node:crypto";
import { fhirApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { importBundle } from "./import.service.ts";

export const fhirRoutes = (context: Context): Route[] => [
  route(fhirApi.import, ({ actor, req, write }) => {
    // As it came, and not the schema's copy. Its hash stands for it: to bring 16 MiB into canonical
    // form would hold everyone up for half a second.
    const sha256 = createHash("sha256").update(JSON.stringify(req.body)).digest("hex");
    return importBundle(context, actor, req.body, { ...write, body: { sha256 } });
  }),
];
