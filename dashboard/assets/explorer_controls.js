// What the controls do: each changes the view, and what follows is drawn.

((explorer) => {
    // The number of a pick's rule where none is given; a limit has to be.
    const PICK_NUMBERS = { cheapest: 2, under: null };

    const none = () => window.dash_clientside.no_update;

    // Another job's front.
    async function layOver(asked, job) {
        asked.over = null;
        if (job) {
            const part = await explorer.ask(`/explorer/${encodeURIComponent(job)}/front/inherited`).catch((error) => explorer.trouble(error.message));
            if (!part || !explorer.isOpen(asked) || asked.view.over !== job) {
                return;
            }
            const points = new explorer.Points();
            points.append(part);
            asked.over = { label: explorer.escaped(nameOf(job)), coordinates: (view) => sortedAlong(points, view, asked.start) };
        }
        explorer.change({});
    }

    function sortedAlong(points, view, start) {
        const values = points.values(view.x);
        const rows = Array.from(values, (_, row) => row).sort((one, two) => values[one] - values[two]);
        return explorer.coordinates(points, rows, view, start.quantities);
    }

    function nameOf(job) {
        const { data } = window.dash_component_api.getLayout("explorer-over").props;
        const items = (data || []).flatMap((group) => group.items || [group]);
        return (items.find(({ value }) => value === job) || { label: job }).label;
    }

    // A control was set. Other axes take the zoom and the brush away, which were drawn on the old ones.
    function choose(key, value) {
        const given = value ?? "";
        if (!explorer.state || String(explorer.state.view[key]) === String(given)) {
            return none();
        }
        if (key === "over") {
            explorer.state.view.over = given;
            layOver(explorer.state, given);
            return none();
        }
        const isAxis = ["x", "y", "xscale", "yscale"].includes(key);
        explorer.state.whole = isAxis ? false : explorer.state.whole;
        explorer.change({ [key]: given, ...(isAxis ? { zoom: [], brush: [] } : {}) }, isAxis || key === "colour");
        return none();
    }

    function choosePick(rule, number) {
        const given = typeof number === "number" ? number : PICK_NUMBERS[rule];
        const pick = rule in PICK_NUMBERS ? (given === null ? "" : `${rule}:${given}`) : rule;
        if (explorer.state && explorer.state.view.pick !== pick) {
            explorer.change({ pick });
        }
        return none();
    }

    function unzoom() {
        // Pressed once the axes go back to what is usual, pressed again they reach over the outliers too.
        explorer.state.whole = explorer.state.view.zoom.length === 0 && !explorer.state.whole;
        explorer.change({ zoom: [] });
        return none();
    }

    function clearBrush() {
        explorer.change({ brush: [] });
        return none();
    }

    function clearRanges() {
        explorer.change({ ranges: {} });
        return none();
    }

    function clearLimits() {
        explorer.state.view.limits = {};
        explorer.showLimits(explorer.state);
        explorer.change({});
        return none();
    }

    function toggle(digest) {
        explorer.tick(explorer.state, digest);
        explorer.drawTicked(explorer.state);
        explorer.change({});
    }

    // A row leads to its architecture, but for its tick and its link, which do so by themselves.
    function follows(cell) {
        if (!cell || ["ticked", "digest"].includes(cell.colId)) {
            return none();
        }
        const { points } = explorer.state;
        return explorer.architectureHref(explorer.state, points.digest(points.rowOf(Number(cell.rowId))));
    }

    function exportCsv() {
        explorer.saveCsv(explorer.state);
        return none();
    }

    function takeSample(sample) {
        if (explorer.state && sample) {
            explorer.offerSample(explorer.state, sample);
            explorer.change({});
        }
        return none();
    }

    Object.assign(explorer, { layOver, choose, choosePick, toggle, follows, takeSample });
    Object.assign(explorer, { unzoom, clearBrush, clearRanges, clearLimits, exportCsv });
})((window.frontierExplorer ||= {}));
