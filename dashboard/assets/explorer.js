// The explorer of a job: asks for points, keeps up with the job, and draws anew what a change of the view touches.

((explorer) => {
    const SETTLED_MS = 180;
    const DOUBLE_CLICK_MS = 1000;
    // The choices are read anew when the job has grown by a quarter.
    const GROWTH = 1.25;

    let state = null;
    // The points of the job looked at last: who comes back from an architecture only asks for what is new.
    let kept = { job: null, points: null };

    const none = () => window.dash_clientside.no_update;
    const byId = (id) => document.getElementById(id);

    function set(id, properties) {
        window.dash_clientside.set_props(id, properties);
    }

    function say(id, words) {
        const place = byId(id);
        if (place && place.textContent !== words) {
            place.textContent = words;
        }
    }

    function escaped(text) {
        return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    }

    async function until(condition) {
        while (!condition()) {
            await new Promise((go) => window.setTimeout(go, 15));
        }
    }

    async function ask(path) {
        const answer = await fetch(path);
        if (answer.status === 204) {
            return null;
        }
        if (!answer.ok) {
            const told = await answer.json().catch(() => ({}));
            throw new Error(told.error || `the dashboard answered ${answer.status}`);
        }
        return explorer.unpack(await answer.arrayBuffer());
    }

    const askPoints = (job, after) => ask(`/explorer/${encodeURIComponent(job)}/points?after=${after}`);

    // Asked for while Dash still starts, so that the points are there when the page is.
    function askEarly() {
        const [, job] = /^\/job\/([^/]+)\/explorer\/?$/.exec(window.location.pathname) || [];
        if (!job) {
            return null;
        }
        const part = askPoints(decodeURIComponent(job), 0);
        part.catch(() => {}); // who waits for it is told
        return { job: decodeURIComponent(job), part };
    }

    let early = askEarly();

    function firstPart(asked) {
        const found = early && early.job === asked.start.job && asked.points.latest === 0 ? early.part : null;
        early = null;
        return found;
    }

    // Fetches what is new; true where something was.
    async function refresh(asked) {
        const part = await (firstPart(asked) || askPoints(asked.start.job, asked.points.latest));
        if (!part) {
            return false;
        }
        if (part.after < asked.points.latest) {
            asked.points = new explorer.Points();
        }
        const isNew = part.count > 0 || !asked.points.columns.seq;
        asked.points.append(part);
        kept = { job: asked.start.job, points: asked.points };
        return isNew;
    }

    function trouble(why) {
        const notice = byId("explorer-stale");
        if (notice) {
            say("explorer-stale-why", why);
            notice.hidden = !why;
        }
    }

    const isOpen = (asked) => asked === state && document.contains(asked.gd);

    async function poll(asked) {
        if (!isOpen(asked)) {
            asked.ended.abort();
            return;
        }
        let isNew = false;
        try {
            isNew = !(asked.shown && document.hidden) && (await refresh(asked));
            trouble("");
        } catch (error) {
            trouble(error.message);
        }
        window.setTimeout(() => poll(asked), asked.start.poll_ms);
        if (isOpen(asked) && asked.points.columns.seq && (isNew || !asked.shown)) {
            arrived(asked);
        }
    }

    // New points: everything that depends on them is worked out anew.
    function arrived(asked) {
        replace(asked);
        explorer.drawLimits(asked);
        offerQuantities(asked);
        redraw(asked);
        settleSoon(asked);
        if (!asked.shown) {
            asked.shown = true;
            listen(asked);
        }
        if (asked.points.latest > GROWTH * asked.sampledAt) {
            asked.sampledAt = asked.points.latest;
            set("explorer-ask", { data: asked.points.latest });
        }
    }

    // An axis or a colour is another, or there are more points: places and inks go to the graphics card.
    function replace(asked) {
        const { points, view, start, cloud } = asked;
        asked.axes = explorer.axes(points, view, start.quantities);
        asked.ink = explorer.colours(points, view, start);
        if (cloud.works && points.count) {
            cloud.put("cloud", { x: asked.axes.px, y: asked.axes.py, shape: diamonds(points, view) });
        }
    }

    // Which points are diamonds: those whose place on an axis is a measured latency.
    function diamonds(points, view) {
        const shapes = new Uint8Array(points.count);
        if ([view.x, view.y].some((name) => name === "latency_ms" || name === "latency_measured_ms")) {
            shapes.forEach((_, row) => (shapes[row] = points.measured(row) ? 1 : 0));
        }
        return shapes;
    }

    function offerQuantities(asked) {
        const { points, start, view } = asked;
        const offered = Object.entries(start.quantities)
            .filter(([name]) => points.sorted(name).length || [view.x, view.y, view.colour].includes(name))
            .map(([value, { label }]) => ({ value, label }));
        if (asked.offered !== offered.length) {
            asked.offered = offered.length;
            set("explorer-x", { data: offered });
            set("explorer-y", { data: offered });
            set("explorer-colour", { data: [{ value: "", label: "One colour" }, ...offered] });
        }
    }

    // What follows a slider at once: who is within the limits, the cloud, the front, the words.
    function redraw(asked) {
        const { points, view, start } = asked;
        asked.match = explorer.matching(points, view);
        asked.seen = explorer.selected(asked.match, asked.axes, view.brush, null);
        asked.chosen = explorer.selected(asked.seen, asked.axes, [], explorer.allowedRows(asked));
        asked.front = explorer.currentFront(points, view, asked.match, start.objectives).filter((row) => asked.match[row]);
        const { row, reason } = explorer.picked(points, view, asked.front, start.quantities);
        asked.picked = row < 0 ? null : row;
        asked.reason = reason;
        if (asked.cloud.works && points.count) {
            explorer.fade(asked.ink, asked.match, asked.chosen, asked.axes);
            asked.cloud.put("cloud", { ink: asked.ink });
            explorer.drawFront(asked);
        }
        explorer.drawFigure(asked);
        explorer.drawCloud(asked);
        explorer.drawTime(asked);
        explorer.tell(asked);
        asked.redraws += 1;
    }

    // What may come a moment later: the table, the lines, the link of the pick, the address.
    function settle(asked) {
        asked.timer = null;
        if (!isOpen(asked)) {
            return;
        }
        if (!explorer.drawTable(asked)) {
            settleSoon(asked);
            return;
        }
        explorer.drawTicked(asked);
        explorer.drawParallel(asked);
        const digest = asked.picked === null ? "" : asked.points.digest(asked.picked);
        byId("explorer-pick-place").hidden = !digest;
        set("explorer-pick-link", {
            children: digest && `Architecture ${digest}`,
            href: digest && explorer.architectureHref(asked, digest),
        });
        explorer.writeAddress(asked.view);
        explorer.ordered(asked.points, asked.start.objectives, asked.view.fidelity === "finetuned" ? 1 : 0);
        asked.settled += 1;
    }

    function settleSoon(asked) {
        window.clearTimeout(asked.timer);
        asked.timer = window.setTimeout(() => settle(asked), SETTLED_MS);
    }

    // Changes the view and draws what follows from it: at most once a frame, and the slower parts when it rests.
    function change(part, replaced = false) {
        Object.assign(state.view, part);
        if (!state.shown) {
            return;
        }
        state.replaced ||= replaced;
        if (!state.frame) {
            const asked = state;
            state.frame = window.requestAnimationFrame(() => {
                asked.frame = null;
                if (asked.replaced) {
                    asked.replaced = false;
                    replace(asked);
                }
                redraw(asked);
            });
        }
        settleSoon(state);
    }

    function listen(asked) {
        const { gd } = asked;
        gd.on("plotly_relayouting", () => explorer.drawCloud(asked));
        gd.on("plotly_afterplot", () => explorer.drawCloud(asked));
        gd.on("plotly_relayout", (event) => {
            explorer.drawCloud(asked);
            if ("xaxis.range[0]" in event || "yaxis.range[0]" in event) {
                const { xaxis, yaxis } = gd.layout;
                asked.view.zoom = [...xaxis.range, ...yaxis.range].map((value) => Number(value.toPrecision(6)));
                settleSoon(asked);
            }
        });
        gd.on("plotly_doubleclick", () => explorer.unzoom());
        // With box and lasso a double click takes the selection away, and is told so.
        gd.on("plotly_deselect", () => {
            if (performance.now() - asked.pressedAt < DOUBLE_CLICK_MS) {
                explorer.clearBrush();
            }
        });
        // Plotly tells of selections at other times too; only what a hand has drawn is one.
        let isDrawn = false;
        gd.on("plotly_selecting", () => {
            isDrawn = true;
        });
        gd.on("plotly_selected", (event) => {
            const brush = isDrawn ? explorer.brushOf(event) : null;
            isDrawn = false;
            if (brush) {
                change({ brush });
            }
        });
        explorer.follow(asked);
    }

    async function begin(asked) {
        await until(() => window.Plotly);
        await poll(asked);
        await explorer.layOver(asked, asked.view.over);
    }

    // The page is there: begin, or, where only the colour scheme is another, draw in its ink.
    function open(start, template) {
        if (!start || !template) {
            return none();
        }
        const gd = byId("explorer-plot");
        if (state && state.gd === gd) {
            state.template = template;
            change({});
            return none();
        }
        if (state) {
            state.ended.abort();
        }
        state = {
            start,
            template,
            gd,
            view: structuredClone(start.view),
            points: kept.job === start.job ? kept.points : new explorer.Points(),
            cloud: new explorer.Cloud(byId("explorer-cloud")),
            parallel: byId("explorer-parallel"),
            ended: new AbortController(),
            sample: null,
            sampledAt: 0,
            over: null,
            picked: null,
            shown: false,
            redraws: 0,
            settled: 0,
        };
        begin(state);
        return start.job;
    }

    Object.assign(explorer, { set, say, escaped, ask, trouble, isOpen, open, change });
    // The present one; null before the first.
    Object.defineProperty(explorer, "state", { get: () => state });
})((window.frontierExplorer ||= {}));
