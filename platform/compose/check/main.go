// Reads a Compose project as `docker compose config` does, which needs no
// engine: by the library that Compose itself reads files with.  Prints the
// project with everything filled in as JSON, or what is wrong with it.
//
//	compose-check FOLDER [PROFILE...]
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

func read(folder string, profiles []string) ([]byte, error) {
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(folder, "compose.yaml")},
		cli.WithWorkingDirectory(folder),
		cli.WithEnvFiles(),
		cli.WithDotEnv,
		cli.WithProfiles(profiles),
	)
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return project.MarshalJSON()
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: compose-check FOLDER [PROFILE...]")
		os.Exit(2)
	}
	text, err := read(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(text))
}
