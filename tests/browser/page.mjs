// The page as the user sees it: what to click, and what would look wrong.

import { chromium } from "playwright-core";

const RUN_TIMEOUT = 900_000; // for a training on a slow machine
const ENDINGS = ["execution_success", "execution_error", "execution_interrupted"];
// Messages of ComfyUI itself: files that a new user does not have yet, and requests for packs and models on the
// network, which the server does not allow its page.
const NOISE = [/Failed to load resource: .* 404 /, /violates the (following|document's) Content Security Policy/];

// No sandbox, because CI runs as root. The other flags keep the browser off the network.
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

export class WorkflowPage {
  /** A new tab, whose console messages are kept. */
  static async open(browser, url, options = {}) {
    const tab = await browser.newPage({ viewport: { width: 1920, height: 1080 }, ...options });
    const self = new WorkflowPage(tab);
    await tab.goto(url);
    await tab.waitForFunction(() => window.app?.graph && window.app.extensionManager?.command, null, { timeout: 120_000 });
    return self;
  }

  constructor(tab) {
    this.tab = tab;
    this.console = [];
    this.opened = 0;
    tab.on("pageerror", (error) => this.console.push(`uncaught ${error.stack ?? error.message}`));
    tab.on("console", (message) => {
      if (!["error", "warning"].includes(message.type())) return;
      this.console.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
  }

  /** Picks a workflow in the template browser, which the page opens by itself on a first visit. */
  async pickTemplate(pack, name, shot) {
    const card = this.tab.getByTestId(`template-workflow-${name}`);
    await this.tab.getByText(pack, { exact: true }).first().click({ timeout: 60_000 });
    const picture = card.locator("img").first();
    await picture.waitFor({ timeout: 10_000 }).catch(() => this.scrollTo(picture));
    await picture.waitFor();
    await this.tab.waitForTimeout(500); // pictures fade in
    await shot("templates");
    this.opened = this.console.length;
    await card.click();
    await this.tab.waitForFunction(() => window.app.graph.nodes.length > 0);
    await card.waitFor({ state: "hidden" });
    await this.settle();
  }

  /** Scrolls down in the middle of the page, and up again, until something is there: cards far away are not drawn. */
  async scrollTo(locator) {
    await this.tab.mouse.move(960, 700);
    for (let turn = 0; turn < 20 && !(await locator.isVisible()); turn++) {
      await this.tab.mouse.wheel(0, turn < 10 ? 400 : -400);
      await this.tab.waitForTimeout(500);
    }
  }

  /** Waits for the workflow that the page opens by itself. It would replace one that is loaded earlier. */
  async waitForStart() {
    await this.tab.waitForFunction(() => window.app.graph.nodes.length, null, { timeout: 60_000 });
    await this.settle();
  }

  /** Opens a workflow, as from a file. */
  async load(workflow) {
    await this.tab.evaluate((graph) => window.app.loadGraphData(graph), workflow);
    await this.settle();
  }

  /** Goes to the workflow that was opened before this one, which stays open. */
  async previousWorkflow() {
    await this.tab.evaluate(() => window.app.extensionManager.command.execute("Workspace.PreviousOpenedWorkflow"));
    await this.settle();
  }

  /** Reloads the page; it opens the same workflow again. */
  async reload() {
    await this.tab.reload();
    await this.tab.waitForFunction(() => window.app?.extensionManager?.command && window.app.graph?.nodes.length);
    this.opened = this.console.length;
    await this.settle();
  }

  /** Waits for animations, the layout of the widgets and late messages. */
  async settle() {
    await this.tab.waitForTimeout(1500);
  }

  /** Moves the canvas so that a node is in the middle of the page. @param {string} title */
  async look(title) {
    await this.tab.evaluate((its) => {
      const { canvas } = window.app;
      const { pos } = canvas.graph.nodes.find((found) => found.title === its);
      canvas.ds.scale = 0.7;
      canvas.ds.offset = [1200 - pos[0], 500 - pos[1]];
      canvas.setDirty(true, true);
    }, title);
    await this.settle();
  }

  /** Where the title of a node is in the window. @param {string} title */
  titlePosition(title) {
    return this.tab.evaluate((its) => {
      const { canvas } = window.app;
      const { pos } = canvas.graph.nodes.find((found) => found.title === its);
      const { left, top } = canvas.canvas.getBoundingClientRect();
      const { scale, offset } = canvas.ds;
      return [left + (pos[0] + 60 + offset[0]) * scale, top + (pos[1] - 12 + offset[1]) * scale];
    }, title);
  }

  /** Clicks a button of a node on the classic canvas. @param {string} title @param {string} name */
  async pressOnCanvas(title, name) {
    const [x, y] = await this.tab.evaluate(([wanted, widget]) => {
      const { canvas, graph } = window.app;
      const found = graph.nodes.find((each) => each.title === wanted);
      const button = found.widgets.find((each) => each.name === widget);
      const [left, top] = canvas.convertOffsetToCanvas([found.pos[0] + found.size[0] / 2, found.pos[1] + button.last_y + 10]);
      const box = canvas.canvas.getBoundingClientRect();
      return [box.x + left, box.y + top];
    }, [title, name]);
    await this.tab.mouse.click(x, y);
    await this.settle();
  }

  /** Right-clicks a node, and gives the page when its menu is there. @param {string} title */
  async openMenu(title) {
    const [x, y] = await this.titlePosition(title);
    await this.tab.mouse.click(x, y, { button: "right" });
    await this.tab.getByText("Bypass", { exact: true }).first().waitFor();
    return this.tab;
  }

  /** Presses Run and waits for the end. `midway` is called after some live previews, or at the end without them. */
  async run(midway) {
    await this.tab.evaluate((endings) => {
      const seen = (window.seen = { images: [], previews: [], ending: null });
      const { api } = window.app;
      api.addEventListener("executed", ({ detail }) => seen.images.push(...(detail.output?.images ?? [])));
      api.addEventListener("b_preview", async ({ detail }) => {
        const { width, height } = await createImageBitmap(detail);
        seen.previews.push([width, height]);
      });
      for (const kind of endings) {
        api.addEventListener(kind, ({ detail }) => (seen.ending = { kind, message: detail?.exception_message }));
      }
    }, ENDINGS);
    await this.tab.getByTestId("queue-button").click();
    const ended = () => window.seen.ending || window.seen.previews.length > 12;
    await this.tab.waitForFunction(ended, null, { timeout: RUN_TIMEOUT });
    await midway();
    await this.tab.waitForFunction(() => window.seen.ending, null, { timeout: RUN_TIMEOUT });
    await this.settle();
    const { ending, ...seen } = await this.tab.evaluate(() => window.seen);
    if (ending.kind !== "execution_success") throw new Error(`${ending.kind}: ${ending.message ?? ""}`);
    return seen;
  }

  /** Console messages about our pack, and all messages since the workflow was opened. */
  consoleProblems(pack) {
    const messages = this.console.filter((text, index) => index >= this.opened || text.includes(pack));
    return messages.filter((text) => !NOISE.some((pattern) => pattern.test(text))).map((text) => text.slice(0, 400));
  }

  /** Dialogs, error messages and nodes that are marked as faulty. */
  pageProblems() {
    return this.tab.evaluate(() => {
      const boxes = '[role="dialog"], [data-testid="error-overlay"], .p-toast-message-error, .p-toast-message-warn';
      const shown = [...document.querySelectorAll(boxes)].filter((box) => box.checkVisibility());
      const texts = shown.map((box) => `on the page: ${box.innerText.replace(/\s+/g, " ").slice(0, 200)}`);
      const { graph } = window.app;
      const faulty = graph.nodes.filter((node) => node.has_errors || !(node.type in window.LiteGraph.registered_node_types));
      return [...texts, ...faulty.map((node) => `faulty or missing node: ${node.type}`)];
    });
  }

  /** The graph as it would be saved now. */
  saved() {
    return this.tab.evaluate(() => window.app.graph.serialize());
  }

  /** Where nodes and groups lie on the canvas: [title, left, top, right, bottom]. */
  boxes() {
    return this.tab.evaluate(() => {
      const { graph, canvas } = window.app;
      const { scale, offset } = canvas.ds;
      const origin = canvas.canvas.getBoundingClientRect();
      const nodes = graph.nodes.map((node) => {
        const box = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
        const title = `${node.title} (${node.id})`;
        if (!box) {
          const [left, top, width, height] = node.boundingRect ?? node.getBounding();
          return [title, left, top, left + width, top + height];
        }
        const x = (value) => (value - origin.left) / scale - offset[0];
        const y = (value) => (value - origin.top) / scale - offset[1];
        return [title, x(box.left), y(box.top), x(box.right), y(box.bottom)];
      });
      const groups = graph.groups.map(({ title, pos, size }) => [title, ...pos, pos[0] + size[0], pos[1] + size[1]]);
      return { nodes, groups, drawn: document.querySelectorAll("[data-node-id]").length };
    });
  }

  /** Whether live previews can be switched on in this page's settings. */
  canPreview() {
    return this.tab.evaluate(() => "Comfy.Execution.PreviewMethod" in window.app.ui.settings.settingsLookup);
  }

  /**
   * How many images the page shows on nodes. Waits for `expected` images, at most 20 seconds. All nodes are brought
   * into view first: the classic canvas of some versions loads the images of a node when it first draws the node.
   */
  async shownImages(expected) {
    await this.tab.evaluate(() => window.app.extensionManager.command.execute("Comfy.Canvas.FitView"));
    const count = () => {
      const html = document.querySelectorAll("[data-node-id] img").length;
      return html || window.app.graph.nodes.reduce((sum, node) => sum + (node.imgs?.length ?? 0), 0);
    };
    await this.tab.waitForFunction(`(${count})() >= ${expected}`, null, { timeout: 20_000 }).catch(() => {});
    return this.tab.evaluate(count);
  }

  /** The number of videos on nodes. The page shows one of the videos that a node saved. */
  async shownVideos() {
    await this.tab.locator("video").first().waitFor({ timeout: 20_000 }).catch(() => {});
    return this.tab.locator("video").count();
  }

  /** The widths of saved images and videos, loaded in the page; 0 for one that cannot be loaded. */
  widths(files) {
    const width = async (file) => {
      const { api } = window.app;
      const route = `/view?${new URLSearchParams(file)}`;
      if (file.filename.endsWith(".mp4")) {
        const video = Object.assign(document.createElement("video"), { preload: "metadata", src: api.apiURL(route) });
        await new Promise((loaded) => (video.onloadedmetadata = video.onerror = loaded));
        return video.videoWidth;
      }
      const answer = await api.fetchApi(route);
      return answer.ok ? (await createImageBitmap(await answer.blob())).width : 0;
    };
    return this.tab.evaluate(`Promise.all(${JSON.stringify(files)}.map(${width}))`);
  }
}
