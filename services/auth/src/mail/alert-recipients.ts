import { mailedAddress } from "@medvault/contracts";
import { z } from "zod";

/** The setting: addresses by commas, none for `off`; undefined: everyone who may see alerts. */
export const alertRecipients = z
  .string()
  .transform((text) => (text === "off" ? [] : text.split(",").map((each) => each.trim())))
  .pipe(z.array(mailedAddress()).max(20))
  .optional()
  .describe("whom alerts of the audit log are mailed to: addresses by commas, 20 at most, or `off`")
  .meta({ shownDefault: "everyone whose role has `alert:read:any`" });
