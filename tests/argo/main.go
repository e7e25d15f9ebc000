// Argo's own plugin client against a socket: what an executor and argo-server do, from the command line.
//
// argo-client SOCKET CONFIG_FILE COMMAND ARGS...
//
//	save PATH KEY | load KEY PATH | stream KEY PATH | delete KEY | list KEY | is-directory KEY
//	parallel N DIR       saves N small files of DIR, loads them to *.back, all at once on one connection
//	cancel PATH KEY MS   saves, and cancels after MS
//	abandon KEY N        opens N streams, reads one byte of each and closes the reader, as argo-server does
//	deadline KEY MS      opens a stream with a deadline and reads nothing until it has passed
//
// The answer is on standard output; an error is on standard error with exit code 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/util/logging"
	"github.com/argoproj/argo-workflows/v4/workflow/artifacts/plugin"
)

type client struct {
	driver *plugin.Driver
	config string
}

func (c *client) artifact(key string) *wfv1.Artifact {
	artifact := &wfv1.Artifact{Name: "main"}
	artifact.Plugin = &wfv1.PluginArtifact{Name: "purser", Configuration: c.config, Key: key}
	if mode := os.Getenv("ARTIFACT_MODE"); mode != "" {
		number, _ := strconv.ParseInt(mode, 8, 32)
		bits := int32(number)
		artifact.Mode = &bits
	}
	artifact.SubPath = os.Getenv("ARTIFACT_SUB_PATH")
	artifact.RecurseMode = os.Getenv("ARTIFACT_RECURSE_MODE") != ""
	return artifact
}

func (c *client) stream(ctx context.Context, key, path string) error {
	reader, err := c.driver.OpenStream(ctx, c.artifact(key))
	if err != nil {
		return err
	}
	defer reader.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.CopyBuffer(file, reader, make([]byte, 1<<20))
	return err
}

func (c *client) parallel(ctx context.Context, count int, dir string) error {
	var wait sync.WaitGroup
	failures := make([]error, count)
	for i := range count {
		wait.Add(1)
		go func() {
			defer wait.Done()
			path := filepath.Join(dir, strconv.Itoa(i))
			key := "parallel/" + strconv.Itoa(i)
			err := c.driver.Save(ctx, path, c.artifact(key))
			if err == nil {
				err = c.driver.Load(ctx, c.artifact(key), path+".back")
			}
			failures[i] = err
		}()
	}
	wait.Wait()
	return errors.Join(failures...)
}

func (c *client) cancel(ctx context.Context, path, key string, ms int) error {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(time.Duration(ms)*time.Millisecond, cancel)
	return c.driver.Save(ctx, path, c.artifact(key))
}

func (c *client) abandon(ctx context.Context, key string, count int) error {
	one := make([]byte, 1)
	for range count {
		reader, err := c.driver.OpenStream(ctx, c.artifact(key))
		if err != nil {
			return err
		}
		if _, err := reader.Read(one); err != nil {
			return err
		}
		reader.Close()
	}
	fmt.Println("abandoned")
	_, err := io.ReadAll(os.Stdin) // the connection stays open until the test closes our standard input
	return err
}

func (c *client) deadline(ctx context.Context, key string, ms int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
	defer cancel()
	reader, err := c.driver.OpenStream(ctx, c.artifact(key))
	if err != nil {
		return err
	}
	<-ctx.Done()
	_, err = io.Copy(io.Discard, reader)
	return err
}

func (c *client) run(ctx context.Context, args []string) error {
	number := func(i int) int {
		value, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return value
	}
	switch args[0] {
	case "save":
		return c.driver.Save(ctx, args[1], c.artifact(args[2]))
	case "load":
		return c.driver.Load(ctx, c.artifact(args[1]), args[2])
	case "stream":
		return c.stream(ctx, args[1], args[2])
	case "delete":
		return c.driver.Delete(ctx, c.artifact(args[1]))
	case "list":
		names, err := c.driver.ListObjects(ctx, c.artifact(args[1]))
		for _, name := range names {
			fmt.Println(name)
		}
		return err
	case "is-directory":
		is, err := c.driver.IsDirectory(ctx, c.artifact(args[1]))
		fmt.Println(is)
		return err
	case "parallel":
		return c.parallel(ctx, number(1), args[2])
	case "cancel":
		return c.cancel(ctx, args[1], args[2], number(3))
	case "abandon":
		return c.abandon(ctx, args[1], number(2))
	case "deadline":
		return c.deadline(ctx, args[1], number(2))
	}
	return fmt.Errorf("unknown command %s", args[0])
}

func main() {
	config, err := os.ReadFile(os.Args[2])
	if err == nil {
		ctx := logging.WithLogger(context.Background(), logging.NewSlogLogger(logging.Error, logging.Text))
		var driver *plugin.Driver
		driver, err = plugin.NewDriver(ctx, "purser", os.Args[1], 10*time.Second)
		if err == nil {
			defer driver.Close()
			c := &client{driver: driver, config: string(config)}
			err = c.run(ctx, os.Args[3:])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
