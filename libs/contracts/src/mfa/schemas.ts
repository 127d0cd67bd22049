import { z } from "zod";
import { Code, Password } from "../fields.ts";
import { MfaMethod, TokensView } from "../sign-in/schemas.ts";

export const MfaSetupView = z.object({
  secret: z.string(),
  otpauthUrl: z.string(),
  qrCode: z.string(),
  recoveryCodes: z.array(z.string()).length(10),
});

export const MfaVerify = z.strictObject({ code: Code });
/** The tokens are there when the sign-in required enrolment. */
export const MfaVerifyView = z.object({
  enabled: z.literal(true),
  ...TokensView.partial().shape,
  csrfToken: z.string().optional(),
});

export const PasswordAndCode = z.strictObject({ password: Password, code: Code });
export type PasswordAndCode = z.infer<typeof PasswordAndCode>;

export const MfaStatusView = z.object({
  enabled: z.boolean(),
  requiredForRole: z.boolean(),
  methods: z.array(MfaMethod),
  recoveryCodesLeft: z.int(),
});

export const RecoveryCodesView = z.object({ recoveryCodes: z.array(z.string()).length(10) });
