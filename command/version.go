package command

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo identifies the build.
type versionInfo struct {
	Version  string `json:"version"`            // of the module; "(devel)" for a build from a checkout
	Revision string `json:"revision,omitempty"` // of the checkout
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func buildVersion() versionInfo {
	v := versionInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = setting.Value
		}
	}
	return v
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if a.json {
				return a.printJSON(v)
			}
			return a.say("sessioncleanup %s, %s, %s\n", v.Version, v.Go, v.Platform)
		},
	}
}
