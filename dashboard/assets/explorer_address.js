// The view in the address: written here whenever it changes, read by explorer_view.py.

((explorer) => {
    const DEFAULTS = {
        x: "latency_ms",
        y: "val_loss",
        colour: "",
        xscale: "linear",
        yscale: "linear",
        fidelity: "both",
        feasible: "yes",
        at: 0,
        over: "",
        pick: "",
    };

    function search(view) {
        const query = new URLSearchParams();
        for (const [key, usual] of Object.entries(DEFAULTS)) {
            if (view[key] !== usual) {
                query.set(key, view[key]);
            }
        }
        for (const [name, limit] of Object.entries(view.limits)) {
            query.set("max_" + name, explorer.short(limit));
        }
        for (const [name, numbers] of Object.entries(view.ranges)) {
            query.set("range_" + name, numbers.join(","));
        }
        const isFirst = view.first && view.shown.join() === view.first.join();
        const lists = { zoom: view.zoom, brush: view.brush, shown: isFirst ? [] : view.shown, with: view.ticked };
        for (const [key, list] of Object.entries(lists)) {
            if (list.length) {
                query.set(key, list.join(","));
            }
        }
        return query.size ? "?" + query.toString() : "";
    }

    // Replaces the address of this visit. The shell is told, so that it takes the page for the one that is shown.
    function writeAddress(view) {
        const { pathname } = window.location;
        const written = search(view);
        if (written !== window.location.search) {
            window.history.replaceState(window.history.state, "", pathname + written);
            explorer.set("shell-shown", { data: [pathname, written] });
            // With the whole address: told of a part only, Dash takes the rest of what it knew for where to go.
            explorer.set("shell-location", { search: written, href: window.location.href });
        }
    }

    function architectureHref(state, digest) {
        return `/job/${encodeURIComponent(state.start.job)}/architecture/${encodeURIComponent(digest)}`;
    }

    Object.assign(explorer, { search, writeAddress, architectureHref });
})((window.frontierExplorer ||= {}));
