import { oauthProviderClient } from "@better-auth/oauth-provider/client";
import { createAuthClient } from "better-auth/client";

/** Sign-in and consent in the browser. The plug-in keeps the authorization request across the sign-in page. */
export const authClient = createAuthClient({ plugins: [oauthProviderClient()] });
