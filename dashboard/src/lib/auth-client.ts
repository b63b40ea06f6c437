import { oauthProviderClient } from "@better-auth/oauth-provider/client";
import { createAuthClient } from "better-auth/client";

/** Sign-in and consent from the browser. The plug-in carries an authorization request through the sign-in page. */
export const authClient = createAuthClient({ plugins: [oauthProviderClient()] });
