// A host as small as can be: shows a view in a sandboxed frame through the official AppBridge. The test plays the MCP
// client: it offers `window.callTool`, and reads `window.seen`.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

window.seen = { initialized: 0, sizes: [] };

window.open_view = async (html, theme, argumentsOfCall, result) => {
  const frame = document.querySelector("iframe");
  const capabilities = { serverTools: {}, openLinks: {} };
  const bridge = new AppBridge(null, { name: "test-host", version: "1.0.0" }, capabilities, {
    hostContext: { theme, locale: "en", platform: "web" },
  });
  const initialized = new Promise((resolve) => {
    bridge.oninitialized = () => { window.seen.initialized += 1; resolve(); };
  });
  bridge.onsizechange = ({ height }) => {
    window.seen.sizes.push(height);
    frame.style.height = `${height}px`;
  };
  bridge.oncalltool = (params) => window.callTool(params);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html;
  await initialized;
  await bridge.sendToolInput({ arguments: argumentsOfCall });
  await bridge.sendToolResult(result);
  window.bridge = bridge;
};
