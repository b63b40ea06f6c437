import { browserBridge } from "../api/dashboard";
import { connectLive, type LiveOptions, type LinkState } from "./client";

type Listener = Pick<LiveOptions, "onChange" | "onLink" | "onSignedOut">;

const listeners = new Set<Listener>();
let disconnect: (() => void) | undefined;
let link: LinkState = "connecting";

/**
 * Listen on the one live socket of this tab until the returned function is called. The first listener opens it, the
 * last one closes it: the server allows a person five sockets.
 */
export function listenLive(listener: Listener): () => void {
  listeners.add(listener);
  disconnect ??= connectLive({
    url: `${window.location.origin.replace(/^http/, "ws")}/api/ws`,
    token: browserBridge.token,
    onChange: (news, taskId) => listeners.forEach(({ onChange }) => onChange(news, taskId)),
    onLink: (changed) => {
      link = changed;
      listeners.forEach(({ onLink }) => onLink(changed));
    },
    onSignedOut: () => listeners.forEach(({ onSignedOut }) => onSignedOut()),
  });
  if (link !== "connecting") listener.onLink(link);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    disconnect?.();
    disconnect = undefined;
    link = "connecting";
  };
}
