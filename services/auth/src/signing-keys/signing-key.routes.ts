import { JwksView } from "@medvault/contracts";
import { openToGuests } from "@medvault/service-kit";
import type { Router } from "express";
import type { AuthContext } from "../context.ts";
import { publicJwks } from "./signing-key.service.ts";

export function jwksRoutes(router: Router, ctx: Pick<AuthContext, "pool" | "now">): void {
  router.get("/.well-known/jwks.json", openToGuests(), async (_req, res) => {
    res.setHeader("Cache-Control", "public, max-age=300");
    res.json(JwksView.parse(await publicJwks(ctx.pool, ctx.now())));
  });
}
