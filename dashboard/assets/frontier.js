// What the browser does itself: follow the system's colour scheme, and draw the cells of tables.

window.frontierScheme = {
    // The scheme in force; `tell` hears of every later change.
    watch(tell) {
        const dark = window.matchMedia("(prefers-color-scheme: dark)");
        const name = () => (dark.matches ? "dark" : "light");
        dark.addEventListener("change", () => tell(name()));
        return name();
    },
};

window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    // A number sorts by its value and reads as the text the server wrote for it.
    frontierText: (params) => params.data[params.colDef.field + "_text"],

    // Colours come from the page's own variables, so that one theme serves both schemes. Made once: a new theme object
    // would make the grid draw itself anew.
    frontierTheme: (base) =>
        (window.frontierGridTheme ||= base.withParams({
            backgroundColor: "transparent",
            foregroundColor: "var(--mantine-color-text)",
            headerBackgroundColor: "transparent",
            headerTextColor: "var(--frontier-dimmed)",
            borderColor: "var(--frontier-line)",
            rowHoverColor: "var(--frontier-hover)",
            accentColor: "var(--frontier-accent)",
            fontFamily: "inherit",
            fontSize: 14,
            headerFontSize: 13,
            headerFontWeight: 500,
            cellHorizontalPadding: 12,
            wrapperBorder: false,
            headerColumnResizeHandleColor: "transparent",
            columnBorder: false,
            headerColumnBorder: false,
        })),
});

window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    FrontierLink: (props) =>
        React.createElement(window.dash_core_components.Link, { href: props.data.href, title: props.value }, props.value),
    FrontierState: (props) => React.createElement("span", { className: "state state-" + props.value }, props.value),
});

// A grid moves the focus from cell to cell, not into them: Enter on a cell that holds a link follows it.
document.addEventListener("keydown", (event) => {
    const cell = event.key === "Enter" && document.activeElement && document.activeElement.closest(".ag-cell");
    const link = cell && cell.querySelector("a");
    if (link) {
        link.click();
    }
});
