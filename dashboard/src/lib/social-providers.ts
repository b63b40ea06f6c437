import type { OAuth2Tokens } from "better-auth";
import { github, google } from "better-auth/social-providers";
import { auth } from "./auth";
import type { Settings } from "./settings";
import { releaseAddress } from "./unverified";

type ProviderId = "github" | "google";

/** GitHub and Google, whose verified addresses take precedence over addresses that nobody has verified here. */
export function socialProviders({ github: gitHubKeys, google: googleKeys }: Settings) {
  return {
    github: gitHubKeys && { ...gitHubKeys, getUserInfo: releasing("github", github(gitHubKeys).getUserInfo) },
    google: googleKeys && { ...googleKeys, getUserInfo: releasing("google", google(googleKeys).getUserInfo) },
  };
}

/** The provider's own look-up, after which no account that never verified the address stands in the way of it. */
function releasing<Info extends { user: { email?: string | null; emailVerified: boolean }; data: object }>(
  providerId: ProviderId,
  getUserInfo: (tokens: OAuth2Tokens) => Promise<Info | null>,
) {
  return async (tokens: OAuth2Tokens): Promise<Info | null> => {
    const info = await getUserInfo(tokens);
    if (info?.user.email && info.user.emailVerified) {
      const { sub, id } = info.data as { sub?: string; id?: string | number };
      await releaseFor(info.user.email, providerId, String(sub ?? id));
    }
    return info;
  };
}

async function releaseFor(email: string, providerId: ProviderId, accountId: string): Promise<void> {
  const { internalAdapter } = await auth().$context;
  const holder = await internalAdapter.findUserByEmail(email.toLowerCase(), { includeAccounts: true });
  if (!holder || holder.user.emailVerified) return;
  const isTheirs = holder.accounts.some((a) => a.providerId === providerId && a.accountId === accountId);
  if (!isTheirs) await releaseAddress(holder.user.id, internalAdapter);
}
