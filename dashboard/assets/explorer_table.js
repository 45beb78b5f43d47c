// The table of what is drawn and selected: rows made from the arrays, and the ticks that lead to a comparison.

((explorer) => {
    const MOST_ROWS = 10000;
    const MOST_TICKED = 4;
    const GRID = "explorer-table";

    // The grid, null before it is there: asked for earlier it throws.
    function api() {
        try {
            return window.dash_ag_grid.getApi(GRID);
        } catch {
            return null;
        }
    }

    // The rows to list: all that are selected, or, where they are too many, the best in the y axis' quantity.
    function listed(points, chosen, best) {
        const rows = [];
        for (let row = 0; row < chosen.length; row++) {
            if (chosen[row]) {
                rows.push(row);
            }
        }
        const total = rows.length;
        if (total > MOST_ROWS) {
            const values = points.values(best);
            const rank = (row) => (Number.isNaN(values[row]) ? Infinity : values[row]);
            rows.sort((one, two) => rank(one) - rank(two));
            rows.length = MOST_ROWS;
        }
        return { rows, total };
    }

    function record(state, row, onFront) {
        const { points, start } = state;
        const { latency_low_ms: low, latency_high_ms: high, seq } = points.columns;
        const digest = points.digest(row);
        const values = {};
        for (const name of Object.keys(start.quantities)) {
            const value = points.values(name)[row];
            values[name] = Number.isNaN(value) ? null : explorer.short(value);
        }
        return {
            row_id: String(seq[row]),
            seq: seq[row],
            digest,
            href: explorer.architectureHref(state, digest),
            on_front: onFront.has(row) ? "front" : "",
            fidelity: points.fidelity(row) === "finetuned" ? "fine-tuned" : "inherited",
            state: points.state(row),
            low_ms: low[row],
            high_ms: high[row],
            ...values,
        };
    }

    function words(shown, total, count, label) {
        const { groups } = explorer;
        const part = total > shown ? ` The table holds the ${groups(shown)} with the lowest ${label}.` : "";
        return `${groups(total)} of ${groups(count)} evaluations are within the limits and the selection.${part}`;
    }

    // A quantity that no evaluation has a value of needs no column.
    function hideUnknown(grid, { points, start }) {
        const names = Object.keys(start.quantities).filter((name) => name !== "latency_ms");
        for (const isKnown of [true, false]) {
            grid.setColumnsVisible(names.filter((name) => points.sorted(name).length > 0 === isKnown), isKnown);
        }
    }

    // Puts the rows into the table; what the reader sorted and filtered there stays.
    function drawTable(state) {
        const grid = api();
        if (!grid) {
            return false;
        }
        const { rows, total } = listed(state.points, state.chosen, state.view.y);
        const onFront = new Set(state.front);
        const along = state.points.values(state.view.x);
        const place = (row) => (Number.isNaN(along[row]) ? Infinity : along[row]);
        hideUnknown(grid, state);
        // The front from left to right, then the others; two without a value keep the order they came in.
        rows.sort((one, two) => onFront.has(two) - onFront.has(one) || place(one) - place(two) || one - two);
        grid.setGridOption("rowData", rows.map((row) => record(state, row, onFront)));
        const label = state.start.quantities[state.view.y].label.toLowerCase();
        explorer.say("explorer-table-note", words(rows.length, total, state.points.count, label));
        return true;
    }

    // Marks an architecture for comparison or takes the mark away; false where four are marked already.
    function tick(state, digest) {
        const { ticked } = state.view;
        if (ticked.includes(digest)) {
            state.view.ticked = ticked.filter((other) => other !== digest);
        } else if (ticked.length < MOST_TICKED) {
            state.view.ticked = [...ticked, digest];
        } else {
            explorer.say("explorer-table-note", "Four architectures can be compared; take one away first.");
            return false;
        }
        return true;
    }

    function drawTicked(state) {
        const { ticked } = state.view;
        const grid = api();
        if (grid) {
            grid.refreshCells({ columns: ["ticked"], force: true });
        }
        document.getElementById("explorer-compare-place").hidden = ticked.length < 2;
        explorer.set("explorer-compare", {
            children: `Compare these ${ticked.length}`,
            href: `/job/${encodeURIComponent(state.start.job)}/compare?with=${ticked.map(encodeURIComponent).join(",")}`,
        });
    }

    function exportCsv(state) {
        const name = state.start.name.replace(/[^\w-]+/g, "-").slice(0, 60);
        const columnKeys = api().getColumns().map((column) => column.getColId()).filter((id) => id !== "ticked");
        api().exportDataAsCsv({ fileName: `${name || "job"}-architectures.csv`, columnKeys });
    }

    // A row's own box, which the space bar ticks when its cell has the focus.
    function TickCell({ data }) {
        const digest = data.digest;
        const change = () => explorer.toggle(digest);
        const checked = explorer.state.view.ticked.includes(digest);
        const label = `Compare ${digest}`;
        return React.createElement("input", { type: "checkbox", checked, onChange: change, "aria-label": label });
    }

    document.addEventListener("keydown", (event) => {
        const cell = event.key === " " && document.activeElement && document.activeElement.closest(".ag-cell");
        const box = cell && document.activeElement === cell && cell.querySelector("input[type=checkbox]");
        if (box) {
            event.preventDefault();
            box.click();
        }
    });

    window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
        // A number in words; a predicted latency brings its interval.
        explorerText: ({ value, data }, kind) =>
            kind === "interval"
                ? explorer.interval(value === null ? NaN : value, data.low_ms, data.high_ms)
                : explorer.text(kind, value),
    });
    window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
        ExplorerTick: TickCell,
        ExplorerLink: ({ data, value }) =>
            React.createElement(window.dash_core_components.Link, { href: data.href, title: value }, value.slice(0, 8)),
    });

    Object.assign(explorer, { drawTable, drawTicked, tick, saveCsv: exportCsv });
})((window.frontierExplorer ||= {}));
